import { KvciError, messageOf, type ErrorCode } from "../core/error.ts";
import { plainPaint, type Paint } from "./paint.ts";
import { displayLine, wrapText } from "./text-width.ts";

/** A file that tells more: "console" and its path. */
export interface LogPlace {
  readonly what: string;
  readonly path: string;
}

/** What can be done about a failure: "resume" and the command line that does it. */
export interface ShownCommand {
  readonly what: "resume" | "shell" | "log";
  readonly command: string;
}

/** A failure as `--json` prints it. */
export interface FailureRecord {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  readonly evidence: readonly string[];
  /** Messages of what led to it, nearest first. */
  readonly causes: readonly string[];
  readonly logs: readonly LogPlace[];
  /** Command lines by what they do; absent when there are none. */
  readonly commands?: Readonly<Partial<Record<ShownCommand["what"], string>>>;
  /** Path of the picture of the guest's screen; absent when there is none. */
  readonly screen?: string;
}

export interface FailureOptions {
  readonly logs?: readonly LogPlace[];
  readonly commands?: readonly ShownCommand[];
  readonly screen?: string | undefined;
  /** Columns; longer words, such as paths, stay whole. Default: 80. */
  readonly width?: number;
  readonly paint?: Paint;
  /** Takes secrets out of every text. */
  readonly redact?: (text: string) => string;
}

/** Causes beyond these say nothing to a person. */
const MAX_CAUSES = 4;
const MAX_STACK_LINES = 8;

/** Any thrown value as plain data. What is no KvciError is a defect of ours, and carries its stack as evidence. */
export function failureRecord(error: unknown, options: FailureOptions = {}): FailureRecord {
  const { logs = [], commands = [], screen, redact = asItIs } = options;
  const { code, hint, evidence, causes } = error instanceof KvciError ? known(error) : defect(error);
  return {
    code,
    message: redact(messageOf(error)),
    hint: redact(hint),
    evidence: evidence.map(redact),
    causes: causes.map(redact),
    logs: logs.map(({ what, path }) => ({ what, path: redact(path) })),
    ...(commands.length > 0 && {
      commands: Object.fromEntries(commands.map(({ what, command }) => [what, redact(command)])),
    }),
    ...(screen !== undefined && { screen: redact(screen) }),
  };
}

type Explanation = Pick<FailureRecord, "code" | "hint" | "evidence" | "causes">;

function known(error: KvciError): Explanation {
  return { code: error.code, hint: error.hint, evidence: error.evidence, causes: causesOf(error) };
}

function defect(error: unknown): Explanation {
  const hint = "This is a defect in kvci-build. Report it with the lines above and the journal.";
  return { code: "internal", hint, evidence: stackOf(error), causes: [] };
}

/** A failure for people: what happened, what was seen, why, what to do, where to read on. Ends without a newline. */
export function renderFailure(error: unknown, options: FailureOptions = {}): string {
  const { width = 80, paint = plainPaint } = options;
  const record = failureRecord(error, options);
  const sections = [
    messageLines(record, { width, paint }),
    record.evidence
      .flatMap((line) => line.split("\n"))
      .map((line) => `  ${paint("dim", "│")} ${displayLine(line)}`.trimEnd()),
    record.causes.flatMap((cause) => hanging("because: ", cause, width - 2)).map((line) => `  ${line}`),
    hanging("What to do: ", record.hint, width).map((line) =>
      line.replace(/^What to do:/, (label) => paint("bold", label)),
    ),
    tableLines("To go on:", Object.entries(record.commands ?? {}), paint),
    tableLines(
      "Where to read on:",
      record.logs.map(({ what, path }) => [what, path]),
      paint,
    ),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n");
}

function asItIs(text: string): string {
  return text;
}

function messageLines({ message, code }: FailureRecord, { width, paint }: { width: number; paint: Paint }): string[] {
  const [first = "", ...rest] = hanging("✖ ", message, width);
  const lines = [
    `${paint("red", "✖")} ${paint("bold", first.slice(2))}`,
    ...rest.map((line) => `  ${paint("bold", line.slice(2))}`),
  ];
  return [...lines, `  ${paint("dim", `error ${code}`)}`];
}

/** Wrapped text whose further lines stand under the text, not under the label. */
function hanging(label: string, text: string, width: number): string[] {
  const lines = text
    .split("\n")
    .map(displayLine)
    .flatMap((line) => wrapText(line, width - label.length));
  return lines.map((line, index) => (index === 0 ? `${label}${line}` : `${" ".repeat(label.length)}${line}`));
}

/** Paths and commands stay whole, however wide the terminal: they are there to be copied. */
function tableLines(title: string, rows: readonly (readonly [what: string, text: string])[], paint: Paint): string[] {
  if (rows.length === 0) return [];
  const longest = Math.max(...rows.map(([what]) => what.length));
  return [paint("bold", title), ...rows.map(([what, text]) => `  ${what.padEnd(longest)}  ${text}`)];
}

function stackOf(error: unknown): string[] {
  if (!(error instanceof Error) || error.stack === undefined) return [];
  const frames = error.stack.split("\n").filter((line) => /^\s+at /.test(line));
  return frames.slice(0, MAX_STACK_LINES).map((line) => line.trim());
}

function causesOf(error: unknown): string[] {
  const said = [messageOf(error)];
  const seen = new Set<unknown>([error]);
  let current = causeOf(error);
  while (current !== undefined && !seen.has(current) && seen.size <= MAX_CAUSES) {
    seen.add(current);
    const text = firstLine(messageOf(current));
    // Wrapped errors often repeat each other; say everything once.
    if (text !== "" && !said.some((earlier) => earlier.includes(text))) said.push(text);
    current = causeOf(current);
  }
  return said.slice(1);
}

function causeOf(error: unknown): unknown {
  if (error instanceof AggregateError && error.cause === undefined) return error.errors[0];
  return error instanceof Error ? error.cause : undefined;
}

function firstLine(text: string): string {
  return text.split("\n").find((line) => line.trim() !== "") ?? "";
}
