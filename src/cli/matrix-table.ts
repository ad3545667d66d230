import { relative } from "node:path";
import { shortDigest } from "../core/digest.ts";
import { formatBytes, formatDuration } from "../journal/format.ts";
import type { Paint } from "../journal/paint.ts";
import { displayLine, textWidth, wrapText } from "../journal/text-width.ts";
import type { MatrixResult } from "./matrix-result.ts";
import { table, type Column } from "./table.ts";

export interface MatrixLook {
  readonly columns: number;
  readonly paint: Paint;
  /** Paths are shown relative to it. */
  readonly cwd: string;
}

type Style = Parameters<Paint>[0];

const MARKS: Readonly<Record<MatrixResult["result"], readonly [mark: string, style: Style]>> = {
  built: ["✔", "green"],
  cached: ["✔", "green"],
  failed: ["✖", "red"],
  "not built": ["–", "yellow"],
};

interface Field {
  readonly title: string;
  readonly column: Column;
  readonly cell: (result: MatrixResult) => string;
}

/** In the order in which they are given up where the terminal is too narrow for all: the last one first. */
const FIELDS: readonly Field[] = [
  { title: "TEMPLATE", column: "left", cell: ({ template }) => template },
  { title: "ARCH", column: "left", cell: ({ arch }) => arch },
  { title: "RESULT", column: "left", cell: ({ result }) => result },
  { title: "TIME", column: "right", cell: timeCell },
  { title: "CACHED", column: "right", cell: cachedCell },
  { title: "DISK", column: "right", cell: ({ diskBytes }) => (diskBytes === undefined ? "" : formatBytes(diskBytes)) },
  { title: "IMAGE", column: "left", cell: ({ image }) => (image === undefined ? "" : shortDigest(image)) },
];

/** Columns that are never given up. */
const LEAST = 4;

/**
 * What became of every build: a table, what failed and where its logs are, and how many there are of each. Wide terminals get the
 * folders of the builds as well. Ends without a newline.
 */
export function renderMatrix(results: readonly MatrixResult[], look: MatrixLook): string {
  const why = results.flatMap((result) => reasonLines(result, look));
  return [tableLines(results, look), why, [totalLine(results)]]
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n");
}

function tableLines(results: readonly MatrixResult[], { columns, paint, cwd }: MatrixLook): string[] {
  const folder: Field = {
    title: "FOLDER",
    column: "left",
    cell: ({ build }) => (build ? relative(cwd, build.folder) : ""),
  };
  const all = [...FIELDS, folder];
  const choices = all.map((_, index) => all.slice(0, all.length - index)).slice(0, all.length - LEAST + 1);
  const drawn = choices.map((fields) => draw(results, fields));
  const lines = drawn.find((each) => each.every((line) => textWidth(line) <= columns)) ?? drawn.at(-1) ?? [];
  return lines.map((line, index) => {
    const result = results[index - 1];
    if (!result) return paint("bold", line);
    const [mark, style] = MARKS[result.result];
    return paint(style, mark) + line.slice(mark.length);
  });
}

function draw(results: readonly MatrixResult[], fields: readonly Field[]): string[] {
  const heads = ["", ...fields.map(({ title }) => title)];
  const rows = results.map((result) => [MARKS[result.result][0], ...fields.map(({ cell }) => cell(result))]);
  return table(["left", ...fields.map(({ column }) => column)], [heads, ...rows]);
}

function timeCell({ result, durationMs }: MatrixResult): string {
  return result === "not built" ? "" : formatDuration(durationMs);
}

function cachedCell({ build, cachedSteps, steps }: MatrixResult): string {
  return build ? `${String(cachedSteps)}/${String(steps)}` : "";
}

function reasonLines(result: MatrixResult, look: MatrixLook): string[] {
  const { template, arch, error, because } = result;
  const [mark, style] = MARKS[result.result];
  const what = error ? `${error.code}: ${error.message}` : because;
  if (what === undefined) return [];
  const text = displayLine(`${template} (${arch}): ${what}`);
  const [first = "", ...rest] = wrapText(text, look.columns - 2);
  const logs = error ? logLines(result, look) : [];
  return [`${look.paint(style, mark)} ${first}`, ...rest.map((line) => `  ${line}`), ...logs];
}

/** Paths stay whole, however wide the terminal: they are there to be copied. */
function logLines({ error, build }: MatrixResult, { cwd, paint }: MatrixLook): string[] {
  const checks = build && error ? error.evidence.map((line) => `  ${displayLine(line)}`) : [];
  const places = error?.logs ?? [];
  const width = Math.max(0, ...places.map(({ what }) => what.length));
  return [...checks, ...places.map(({ what, path }) => `  ${paint("dim", what.padEnd(width))}  ${nearest(path, cwd)}`)];
}

function nearest(path: string, cwd: string): string {
  const below = relative(cwd, path);
  return below.startsWith("..") ? path : below;
}

/** `2 built, 1 cached, 1 failed`: nothing that there is none of. */
function totalLine(results: readonly MatrixResult[]): string {
  const counts = (Object.keys(MARKS) as MatrixResult["result"][])
    .map((kind) => ({ kind, count: results.filter(({ result }) => result === kind).length }))
    .filter(({ count }) => count > 0);
  return counts.map(({ kind, count }) => `${String(count)} ${kind}`).join(", ");
}
