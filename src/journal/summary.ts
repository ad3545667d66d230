import { shortDigest } from "../core/digest.ts";
import { formatBytes, formatDuration } from "./format.ts";
import { plainPaint, type Paint } from "./paint.ts";
import { cutText, displayLine, textWidth } from "./text-width.ts";

export interface BuildSummary {
  readonly template: string;
  readonly arch: string;
  readonly outDir: string;
  /** True when the build was there and nothing was done; times are those of back then. */
  readonly standing?: boolean | undefined;
  readonly durationMs: number;
  readonly phases: readonly { readonly name: string; readonly durationMs: number; readonly cached: boolean }[];
  readonly outputs: readonly {
    readonly name: string;
    readonly path: string;
    readonly bytes: number;
    readonly digest?: string | undefined;
  }[];
  /** Absent when the build was not verified. */
  readonly verification?:
    | {
        readonly ok: boolean;
        /** How many checks ran. */
        readonly checks: number;
        readonly findings: readonly { readonly check: string; readonly ok: boolean; readonly detail: string }[];
      }
    | undefined;
}

export interface SummaryOptions {
  /** Columns. Default: 80. */
  readonly width?: number;
  readonly paint?: Paint;
}

/** What a finished build made, how long its parts took and what the checks said. Ends without a newline. */
export function renderSummary(summary: BuildSummary, { width = 80, paint = plainPaint }: SummaryOptions = {}): string {
  const sections = [
    headLines(summary, paint),
    phaseLines(summary, paint),
    outputLines(summary, { width, paint }),
    verificationLines(summary, { width, paint }),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n");
}

function headLines(
  { template, arch, durationMs, phases, verification, standing }: BuildSummary,
  paint: Paint,
): string[] {
  const mark = verification?.ok === false ? paint("red", "✖") : paint("green", "✔");
  if (standing) return [`${mark} ${paint("bold", `${template} (${arch})`)} is up to date; nothing was built`];
  const hits = phases.filter(({ cached }) => cached).length;
  const cached = hits === 0 ? "" : `, ${String(hits)} of ${String(phases.length)} phases cached`;
  return [`${mark} ${paint("bold", `${template} (${arch})`)} built in ${formatDuration(durationMs)}${cached}`];
}

function phaseLines({ phases, standing }: BuildSummary, paint: Paint): string[] {
  if (standing) return [];
  const times = phases.map(({ durationMs }) => formatDuration(durationMs));
  const names = columnWidth(phases.map(({ name }) => name));
  const right = columnWidth(times);
  return phases.map(({ name, cached }, index) => {
    const line = `  ${padEnd(name, names)}  ${(times[index] ?? "").padStart(right)}`;
    return cached ? `${line}  ${paint("dim", "cached")}` : line;
  });
}

function outputLines({ outputs, outDir }: BuildSummary, { width, paint }: { width: number; paint: Paint }): string[] {
  if (outputs.length === 0) return [];
  const sizes = outputs.map(({ bytes }) => formatBytes(bytes));
  const names = Math.min(columnWidth(outputs.map(({ name }) => name)), Math.floor(width / 3));
  const right = columnWidth(sizes);
  const rows = outputs.map(({ name, path, digest }, index) => {
    const size = (sizes[index] ?? "").padStart(right);
    const identity =
      digest === undefined ? " ".repeat(SHORT_DIGEST) : paint("dim", shortDigest(digest).padEnd(SHORT_DIGEST));
    // A path is there to be copied: it is never cut, and inside the folder named above it is short.
    return `  ${padEnd(cutText(name, names), names)}  ${size}  ${identity}  ${within(outDir, path)}`.trimEnd();
  });
  return [paint("bold", outDir), ...rows];
}

const SHORT_DIGEST = 12;

function within(folder: string, path: string): string {
  const prefix = folder.endsWith("/") ? folder : `${folder}/`;
  return path.startsWith(prefix) ? path.slice(prefix.length) : path;
}

function verificationLines(
  { verification }: BuildSummary,
  { width, paint }: { width: number; paint: Paint },
): string[] {
  if (!verification) return [`${paint("yellow", "!")} not verified`];
  const { ok, checks, findings } = verification;
  const count = checks === 1 ? "1 check" : `${String(checks)} checks`;
  if (ok) return [`${paint("green", "✔")} verified: ${count} passed`];
  const failed = findings.filter((finding) => !finding.ok);
  const lines = failed.map(({ check, detail }) => cutText(displayLine(`${check}: ${detail}`), width - 2));
  return [`${paint("red", "✖")} ${String(failed.length)} of ${count} failed`, ...lines.map((line) => `  ${line}`)];
}

function columnWidth(texts: readonly string[]): number {
  return Math.max(0, ...texts.map(textWidth));
}

function padEnd(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - textWidth(text)));
}
