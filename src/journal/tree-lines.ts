import { formatBytes, formatDuration, formatElapsed, formatProgress, formatRate } from "./format.ts";
import type { Paint } from "./paint.ts";
import type { OpView, SpanNode } from "./span-tree.ts";
import { cutText, displayLine, textWidth } from "./text-width.ts";
import type { TransferState } from "./transfer-meter.ts";

export interface TreeStyle {
  readonly paint: Paint;
  /** Columns that a line may take. */
  readonly width: number;
  readonly nowMs: number;
  readonly spinner: string;
  /** `3/7` for a step whose place in the template is known. */
  readonly placeOf: (step: string) => string | undefined;
  /** How many finished children of a running span are shown; the rest is counted. */
  readonly maxDone: number;
  /** How many notes of a running span are shown. */
  readonly maxNotes: number;
}

/** Times stand in one column, also on a wide screen: further away, the eye loses the row. */
const MAX_ROW = 96;

/** A span and all below it, `depth` levels in. */
export function nodeLines(node: SpanNode, depth: number, style: TreeStyle): string[] {
  const head = headLine(node, depth, style);
  if (node.state === "running") {
    return [
      head,
      ...noteLines(node, depth, style),
      ...childLines(node, depth, style),
      ...activityLines(node, depth, style),
    ];
  }
  const below = { ...style, maxNotes: Infinity };
  return [
    head,
    ...noteLines(node, depth, below),
    ...node.children.flatMap((child) => nodeLines(child, depth + 1, style)),
    ...failureLines(node, depth, style),
  ];
}

function headLine(node: SpanNode, depth: number, style: TreeStyle): string {
  const { paint } = style;
  const place = node.kind === "step" ? style.placeOf(node.name) : undefined;
  const title = place === undefined ? node.name : `${place} ${node.name}`;
  const mark = { running: paint("cyan", style.spinner), ok: paint("green", "✔"), failed: paint("red", "✖") }[
    node.state
  ];
  const text = { text: title, style: node.state === "failed" ? ("red" as const) : undefined };
  return row({ depth, mark, text, aside: node.cached ?? "", right: timeOf(node, style.nowMs) }, style);
}

/** What was taken from the store takes no time worth reading, unless it does. */
function timeOf({ state, cached, startedMs, durationMs }: SpanNode, nowMs: number): string {
  if (state === "running") return formatElapsed(nowMs - startedMs);
  return cached !== undefined && durationMs < 1_000 ? "cached" : formatDuration(durationMs);
}

interface Row {
  readonly depth: number;
  /** One column, painted. */
  readonly mark: string;
  readonly text: { readonly text: string; readonly style: Parameters<Paint>[0] | undefined };
  readonly aside: string;
  readonly right: string;
}

function row({ depth, mark, text, aside, right }: Row, { paint, width }: TreeStyle): string {
  const indent = "  ".repeat(depth);
  const room = Math.min(width, MAX_ROW) - indent.length - 2 - (right === "" ? 0 : textWidth(right) + 2);
  const shown = cutText(displayLine(text.text), room);
  const asideRoom = room - textWidth(shown) - 2;
  const beside = aside !== "" && asideRoom > 8 ? `  ${cutText(displayLine(aside), asideRoom)}` : "";
  const gap = " ".repeat(Math.max(0, room - textWidth(shown) - textWidth(beside)) + 2);
  const painted = text.style === undefined ? shown : paint(text.style, shown);
  const tail = right === "" ? "" : gap + paint("dim", right);
  return `${indent}${mark} ${painted}${beside === "" ? "" : paint("dim", beside)}${tail}`;
}

/** A line under a span's head, all of it in one style. */
function under(text: string, depth: number, { style, painted }: { style: TreeStyle; painted: "dim" | "red" }): string {
  const indent = "  ".repeat(depth + 1);
  return indent + style.paint(painted, cutText(text, style.width - indent.length));
}

function noteLines(node: SpanNode, depth: number, style: TreeStyle): string[] {
  if (style.maxNotes === 0) return [];
  return node.notes.slice(-style.maxNotes).map((note) => under(note, depth, { style, painted: "dim" }));
}

function childLines(node: SpanNode, depth: number, style: TreeStyle): string[] {
  const done = node.children.filter(({ state }) => state === "ok");
  const hidden = new Set(done.slice(0, Math.max(0, done.length - style.maxDone)));
  const folded = hidden.size === 0 ? [] : [row(foldedRow(hidden.size, depth + 1, style), style)];
  const shown = node.children.filter((child) => !hidden.has(child));
  return [...folded, ...shown.flatMap((child) => nodeLines(child, depth + 1, style))];
}

function foldedRow(count: number, depth: number, { paint }: TreeStyle): Row {
  const text = { text: `${String(count)} done`, style: "dim" as const };
  return { depth, mark: paint("green", "✔"), text, aside: "", right: "" };
}

/** What a running span does right now: transfers, the op or host program, and the last line of its output. */
function activityLines(node: SpanNode, depth: number, style: TreeStyle): string[] {
  const transfers = [...node.transfers].map(([name, meter]) =>
    transferLine({ name, state: meter.state(style.nowMs) }, depth, style),
  );
  const { op, program, lastLine } = node;
  const doing = op
    ? [opLine(op, depth, style)]
    : program === undefined
      ? []
      : [under(program, depth, { style, painted: "dim" })];
  const output = lastLine === "" ? [] : [under(lastLine, depth + (op ? 1 : 0), { style, painted: "dim" })];
  return [...transfers, ...doing, ...output];
}

function opLine(op: OpView, depth: number, style: TreeStyle): string {
  const mark = style.paint("cyan", "›");
  const text = { text: `${String(op.number)}/${String(op.total)} ${op.summary}`, style: undefined };
  const elapsedMs = style.nowMs - op.startedMs;
  // Most ops take no time worth reading.
  const right = elapsedMs < 1_000 || op.status !== undefined ? "" : formatElapsed(elapsedMs);
  return row({ depth: depth + 1, mark, text, aside: "", right }, style);
}

function failureLines(node: SpanNode, depth: number, style: TreeStyle): string[] {
  if (node.state !== "failed") return [];
  const red = { style, painted: "red" as const };
  const detail = node.detail === undefined ? [] : [under(displayLine(node.detail), depth, red)];
  const { op } = node;
  if (!op || op.status === 0) return detail;
  const how = op.status === undefined ? "did not end" : `exited ${String(op.status)}`;
  const number = `${String(op.number)}/${String(op.total)}`;
  const room = style.width - 2 * (depth + 1) - number.length - how.length - 4;
  return [...detail, under(`${number} ${cutText(op.summary, room)} – ${how}`, depth, red)];
}

interface Transfer {
  readonly name: string;
  readonly state: TransferState;
}

/** Columns of a bar; on a narrow screen the name needs them more. */
const BAR = 20;
const NARROW_BAR = 12;
const NARROW = 100;

function transferLine(transfer: Transfer, depth: number, style: TreeStyle): string {
  const indent = "  ".repeat(depth + 1);
  const name = displayLine(transfer.name);
  const { state } = transfer;
  const numbers = transferNumbers(state);
  const room = style.width - indent.length;
  if (state.totalBytes === 0) return indent + cutText(`${name}  ${numbers}`, room);

  const share = Math.min(1, state.doneBytes / state.totalBytes);
  const percent = `${String(Math.floor(share * 100)).padStart(3)} %`;
  const barWidth = style.width < NARROW ? NARROW_BAR : BAR;
  const nameRoom = room - barWidth - percent.length - numbers.length - 6;
  const title = nameRoom >= 8 ? `${cutText(name, nameRoom)}  ` : "";
  const numberRoom = room - textWidth(title) - barWidth - percent.length - 3;
  const tail = style.paint("dim", cutText(numbers, numberRoom));
  return `${indent}${title}${bar(share, barWidth, style.paint)} ${percent}  ${tail}`;
}

/** What is there of how much, how fast, and for how long yet. */
function transferNumbers({ doneBytes, totalBytes, bytesPerSecond, remainingMs }: TransferState): string {
  const bytes = totalBytes === 0 ? formatBytes(doneBytes) : formatProgress(doneBytes, totalBytes);
  const rate = bytesPerSecond === undefined ? "" : `  ${formatRate(bytesPerSecond)}`;
  // Rounded up: a transfer that goes on has at least a second left.
  const left = remainingMs === undefined ? "" : `  ${formatElapsed(Math.ceil(remainingMs / 1_000) * 1_000)} left`;
  return bytes + rate + left;
}

function bar(share: number, width: number, paint: Paint): string {
  const full = Math.round(share * width);
  return paint("cyan", "━".repeat(full)) + paint("dim", "─".repeat(width - full));
}
