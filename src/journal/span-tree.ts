import type { BuildEvent, SpanKind, StampedEvent } from "../core/event.ts";
import { formatBytes, formatDuration, formatRate } from "./format.ts";
import { createLineSplitter, type LineSplitter } from "./line-splitter.ts";
import { displayLine } from "./text-width.ts";
import { createTransferMeter, type TransferMeter } from "./transfer-meter.ts";

export interface OpView {
  /** From 1. */
  readonly number: number;
  readonly total: number;
  readonly summary: string;
  readonly startedMs: number;
  readonly status?: number;
}

/** What is known of one span; grown by `applyEvent` alone. */
export interface SpanNode {
  readonly name: string;
  readonly kind: SpanKind;
  readonly startedMs: number;
  readonly parent: SpanNode | undefined;
  readonly children: SpanNode[];
  /** Short facts in the order they came. */
  readonly notes: string[];
  readonly transfers: Map<string, TransferMeter>;
  readonly lines: { readonly stdout: LineSplitter; readonly stderr: LineSplitter };
  state: "running" | "ok" | "failed";
  durationMs: number;
  /** What was found in the store instead of being made. */
  cached: string | undefined;
  /** Why it failed, where an event says so. */
  detail: string | undefined;
  op: OpView | undefined;
  /** The host program that runs, where there is no op. */
  program: string | undefined;
  lastLine: string;
}

/** Bounds on what a renderer remembers of one span. */
const MAX_CHILDREN = 500;
const MAX_NOTES = 20;

export function createNode(
  name: string,
  kind: SpanKind,
  at: { readonly startedMs: number; readonly parent?: SpanNode },
): SpanNode {
  return {
    name,
    kind,
    startedMs: at.startedMs,
    parent: at.parent,
    children: [],
    notes: [],
    transfers: new Map(),
    lines: { stdout: createLineSplitter(), stderr: createLineSplitter() },
    state: "running",
    durationMs: 0,
    cached: undefined,
    detail: undefined,
    op: undefined,
    program: undefined,
    lastLine: "",
  };
}

/** Brings the tree under `root` up to date; returns the span that ended with the event, if one did. */
export function applyEvent(root: SpanNode, { span, event }: StampedEvent, nowMs: number): SpanNode | undefined {
  const node = findNode(root, span);
  if (event.type === "span-started") {
    addChild(node, createNode(event.name, event.kind, { startedMs: nowMs, parent: node }));
    return undefined;
  }
  if (event.type === "span-ended") return endSpan(node, event);
  applyToNode(node, event, nowMs);
  return undefined;
}

/** The innermost open span of that path; of one whose start was not seen, the last that was. */
function findNode(root: SpanNode, span: readonly string[]): SpanNode {
  let node = root;
  for (const name of span) {
    const next = node.children.findLast((child) => child.name === name && child.state === "running");
    if (!next) break;
    node = next;
  }
  return node;
}

function addChild(parent: SpanNode, child: SpanNode): void {
  parent.children.push(child);
  if (parent.children.length <= MAX_CHILDREN) return;
  const oldest = parent.children.findIndex(({ state }) => state !== "running");
  if (oldest >= 0) parent.children.splice(oldest, 1);
}

function endSpan(parent: SpanNode, event: Extract<BuildEvent, { type: "span-ended" }>): SpanNode | undefined {
  const node = parent.children.findLast((child) => child.name === event.name && child.state === "running");
  if (!node) return undefined;
  // A check that found something has failed, although the spans around it ended as they should.
  const found =
    node.detail !== undefined || node.children.some(({ kind, state }) => kind === "check" && state === "failed");
  node.state = event.ok && !found ? "ok" : "failed";
  node.durationMs = event.durationMs;
  node.transfers.clear();
  return node;
}

type NodeEvent = Exclude<BuildEvent, { type: "span-started" | "span-ended" }>;
type Handlers = { readonly [E in NodeEvent as E["type"]]: (node: SpanNode, event: E, nowMs: number) => void };

/** Notices are shown at once by the renderer, wherever they come from. */
const leftToNotices = (): void => undefined;

const HANDLERS: Handlers = {
  output: takeOutput,
  transfer: takeTransfer,
  "op-started": (node, { index, total, summary }, nowMs) => {
    node.op = { number: index + 1, total, summary: displayLine(summary), startedMs: nowMs };
    node.lastLine = "";
  },
  "op-ended": (node, { status }) => {
    if (node.op) node.op = { ...node.op, status };
  },
  "program-started": (node, { argv }) => {
    node.program = displayLine(argv.join(" "));
    node.lastLine = "";
  },
  "cache-hit": (node, { what }) => {
    node.cached = what;
  },
  finding: takeFinding,
  "accelerator-chosen": (node, { accelerator, reason }) => note(node, `${accelerator}: ${reason}`),
  "guest-ready": (node, { address, afterMs }) =>
    note(node, `guest answered at ${address} after ${formatDuration(afterMs)}`),
  "layer-kept": (node, { step, bytes }) => note(node, `layer of step ${step} kept, ${formatBytes(bytes)}`),
  "warm-state-kept": (node, { bytes, durationMs }) =>
    note(node, `memory kept, ${formatBytes(bytes)} in ${formatDuration(durationMs)}`),
  "warm-state-restored": (node, { step, afterMs }) =>
    note(node, `memory after step ${step} restored in ${formatDuration(afterMs)}`),
  waiting: leftToNotices,
  "mirror-failed": leftToNotices,
  "leftover-removed": leftToNotices,
  warning: leftToNotices,
};

function applyToNode(node: SpanNode, event: NodeEvent, nowMs: number): void {
  // The table has for every type the handler of that type; the compiler cannot follow the pair.
  const handler = HANDLERS[event.type] as (node: SpanNode, event: NodeEvent, nowMs: number) => void;
  handler(node, event, nowMs);
}

function takeOutput(node: SpanNode, { stream, text }: Extract<BuildEvent, { type: "output" }>): void {
  const splitter = node.lines[stream];
  const complete = splitter.push(text);
  for (const line of [splitter.rest, ...complete.toReversed()]) {
    const shown = displayLine(line);
    if (shown.trim() === "") continue;
    node.lastLine = shown;
    return;
  }
}

function takeTransfer(node: SpanNode, event: Extract<BuildEvent, { type: "transfer" }>, nowMs: number): void {
  const meter = node.transfers.get(event.name) ?? createTransferMeter(nowMs);
  meter.update(nowMs, event.doneBytes, event.totalBytes);
  node.transfers.set(event.name, meter);
  if (event.totalBytes === 0 || event.doneBytes < event.totalBytes) return;
  node.transfers.delete(event.name);
  const { elapsedMs } = meter.state(nowMs);
  const rate = elapsedMs >= 1_000 ? ` at ${formatRate((event.totalBytes / elapsedMs) * 1_000)}` : "";
  note(node, `${event.name}: ${formatBytes(event.totalBytes)}${rate}`);
}

function takeFinding(node: SpanNode, event: Extract<BuildEvent, { type: "finding" }>, nowMs: number): void {
  if (node.kind === "check") {
    if (!event.ok) node.detail = event.detail;
    return;
  }
  const found = createNode(event.check, "check", { startedMs: nowMs, parent: node });
  found.state = event.ok ? "ok" : "failed";
  if (!event.ok) found.detail = event.detail;
  addChild(node, found);
}

function note(node: SpanNode, text: string): void {
  const shown = displayLine(text);
  if (node.notes.at(-1) === shown) return;
  node.notes.push(shown);
  if (node.notes.length > MAX_NOTES) node.notes.shift();
}
