import { KvciError } from "../core/error.ts";
import type { Journal } from "../core/journal.ts";
import type { PlannedLoadImages, PlannedOp } from "../core/op.ts";
import { describePlannedOp } from "../core/describe-op.ts";
import type { SourceFile } from "../core/plan.ts";
import { lastLines } from "../host/last-lines.ts";
import { copyIn } from "./copy-in.ts";
import type { Guest, Machine } from "./machine.ts";
import { MarkerParser, type ScriptSignal } from "./marker-parser.ts";
import { RUN_TIMEOUT_MS, stepScript, TIMED_OUT, type Placed, type ScriptOp } from "./step-script.ts";
import { Tail } from "./tail.ts";

export interface ApplyContext {
  readonly journal: Journal;
  readonly signal: AbortSignal;
  /** Host files of copy-in ops, by digest. */
  readonly sources: ReadonlyMap<string, SourceFile>;
  /** Random text, new for every script; tests pass their own. */
  readonly nonce: () => string;
  /** How container images get into the guest; needed where ops load some. */
  readonly loadImages?: ImageLoader | undefined;
}

/** Imports container images into a guest. How they get there depends on who runs the machine. */
export type ImageLoader = (guest: Guest, op: PlannedLoadImages) => Promise<void>;

/** Ops that need no booted guest. */
type ImagePlannedOp = Exclude<PlannedOp, { kind: "reboot" } | { kind: "wait-for" } | { kind: "load-images" }>;

/** Connection set-up, upload and slack of a slow guest, on top of the ops' own deadlines. */
const SCRIPT_SLACK_MS = 60_000;
/** How much of an op's output an error shows. */
const EVIDENCE_LINES = 20;

/**
 * Applies ops in order: what can travel as one script does, copies and reboots go between. Every op's begin, output and
 * end are events.
 *
 * @throws {KvciError} `command-failed` naming the op, its exit status and last output; `command-timeout`, `machine-lost`,
 *   `interrupted`. Nothing after the failing op is run.
 */
export async function apply(machine: Machine, ops: readonly ImagePlannedOp[], context: ApplyContext): Promise<void>;
export async function apply(machine: Guest, ops: readonly PlannedOp[], context: ApplyContext): Promise<void>;
export async function apply(machine: Machine | Guest, ops: readonly PlannedOp[], context: ApplyContext): Promise<void> {
  for (const batch of batches(ops)) {
    if (Array.isArray(batch)) await new ScriptRun(batch, ops.length, context).run(machine);
    else await single(machine as Guest, { ...batch, total: ops.length }, context);
  }
}

type SingleOp = Exclude<PlannedOp, ScriptOp>;

function batches(ops: readonly PlannedOp[]): (Placed<ScriptOp>[] | Placed<SingleOp>)[] {
  const result: (Placed<ScriptOp>[] | Placed<SingleOp>)[] = [];
  ops.forEach((op, index) => {
    if (!isScriptOp(op)) {
      result.push({ index, op });
      return;
    }
    const last = result.at(-1);
    if (Array.isArray(last)) last.push({ index, op });
    else result.push([{ index, op }]);
  });
  return result;
}

function isScriptOp(op: PlannedOp): op is ScriptOp {
  return op.kind === "run" || op.kind === "write-file" || op.kind === "wait-for";
}

async function single(
  guest: Guest,
  { index, op, total }: Placed<SingleOp> & { readonly total: number },
  context: ApplyContext,
): Promise<void> {
  const started = performance.now();
  context.journal.emit({ type: "op-started", index, total, summary: summaryOf(op) });
  let status = 1;
  try {
    if (op.kind === "reboot") await guest.reboot({ timeoutMs: op.timeoutMs });
    else if (op.kind === "load-images") await loaderOf(context)(guest, op);
    else await copyIn(guest, op, context);
    status = 0;
  } finally {
    context.journal.emit({ type: "op-ended", index, status, durationMs: performance.now() - started });
  }
}

function loaderOf({ loadImages }: ApplyContext): ImageLoader {
  if (loadImages) return loadImages;
  throw new KvciError("internal", "nobody here can import container images", { hint: "Report this." });
}

/** One script on its way through the guest. */
class ScriptRun {
  readonly #ops: readonly Placed<ScriptOp>[];
  readonly #total: number;
  readonly #context: ApplyContext;
  readonly #output = new Tail(64 * 1024);
  #current: { readonly placed: Placed<ScriptOp>; readonly started: number } | undefined;
  #failed: { readonly placed: Placed<ScriptOp>; readonly status: number } | undefined;

  constructor(ops: readonly Placed<ScriptOp>[], total: number, context: ApplyContext) {
    this.#ops = ops;
    this.#total = total;
    this.#context = context;
  }

  async run(machine: Machine): Promise<void> {
    const nonce = this.#context.nonce();
    const parsers = { stdout: new MarkerParser(nonce), stderr: new MarkerParser(nonce) };
    const result = await machine.exec(["sh", "-c", RUN_SCRIPT], {
      stdin: stepScript(this.#ops, nonce),
      timeoutMs: this.#deadlineMs(),
      signal: this.#context.signal,
      onOutput: (stream, text) => {
        this.#take(stream, parsers[stream].push(text));
      },
    });
    for (const stream of ["stdout", "stderr"] as const) this.#take(stream, parsers[stream].end());
    if (this.#failed) throw this.#failure(this.#failed);
    if (result.exitCode !== 0) throw this.#scriptFailure(result.exitCode);
  }

  #deadlineMs(): number {
    const own = this.#ops.map(({ op }) => (op.kind === "write-file" ? 10_000 : (op.timeoutMs ?? RUN_TIMEOUT_MS) * 2));
    return own.reduce((sum, ms) => sum + ms, SCRIPT_SLACK_MS);
  }

  #take(stream: "stdout" | "stderr", signals: readonly ScriptSignal[]): void {
    for (const signal of signals) {
      if (signal.kind === "text") {
        this.#output.push(signal.text);
        this.#context.journal.emit({ type: "output", stream, text: signal.text });
      } else if (stream === "stdout") {
        // The marker on standard error only keeps that stream's text in its place; standard output's counts.
        this.#mark(signal);
      }
    }
  }

  #mark(signal: Exclude<ScriptSignal, { kind: "text" }>): void {
    const placed = this.#ops.find(({ index }) => index === signal.index);
    if (!placed) return;
    if (signal.kind === "begin") {
      this.#current = { placed, started: performance.now() };
      this.#context.journal.emit({
        type: "op-started",
        index: placed.index,
        total: this.#total,
        summary: summaryOf(placed.op),
      });
      return;
    }
    const durationMs = performance.now() - (this.#current?.started ?? performance.now());
    this.#context.journal.emit({ type: "op-ended", index: placed.index, status: signal.status, durationMs });
    this.#current = undefined;
    if (signal.status !== 0) this.#failed = { placed, status: signal.status };
  }

  #failure({ placed, status }: { placed: Placed<ScriptOp>; status: number }): KvciError {
    const { op, index } = placed;
    const where = `op ${String(index + 1)} of ${String(this.#total)}`;
    const evidence = lastLines(this.#output.text, EVIDENCE_LINES);
    if (op.kind === "wait-for") {
      const message = `${op.reason}: not within ${String(op.timeoutMs / 1000)} s (${where})`;
      return new KvciError("command-timeout", message, { hint: `Asked with: ${op.argv.join(" ")}`, evidence });
    }
    if (status === TIMED_OUT && op.kind === "run") {
      const limit = (op.timeoutMs ?? RUN_TIMEOUT_MS) / 1000;
      return new KvciError("command-timeout", `${summaryOf(op)} did not end within ${String(limit)} s (${where})`, {
        hint: "Give it a deadline of its own with runFor(milliseconds, …), or find out what it waits for.",
        evidence,
      });
    }
    return new KvciError("command-failed", `${summaryOf(op)} exited ${String(status)} (${where})`, {
      hint: HINTS[status] ?? "Its last output is above; the whole of it is in the journal.",
      evidence,
    });
  }

  #scriptFailure(status: number): KvciError {
    return new KvciError("command-failed", `the step's script ended with status ${String(status)} outside any op`, {
      hint: "The guest may be out of space in /run, or has no POSIX sh; see its console log.",
      evidence: lastLines(this.#output.text, EVIDENCE_LINES),
    });
  }
}

/** Exit statuses that a shell gives a meaning of its own. */
const HINTS: Readonly<Record<number, string>> = {
  126: "The file is there but cannot be executed.",
  127: "There is no such command in the guest: install its package in an earlier step.",
  137: "It was killed: the guest may have run out of memory; give the template's machine more memoryMiB.",
};

/** The script is complete in the guest before its first line runs: a lost connection never leaves half a command. */
const RUN_SCRIPT =
  'umask 077; script=$(mktemp /run/kvci-build-step.XXXXXX) && cat >"$script" && sh "$script"; status=$?; rm -f "$script"; exit $status';

function summaryOf(op: PlannedOp): string {
  const text = op.kind === "copy-in" ? `copy to ${op.path}` : describePlannedOp(op);
  return text.length > 160 ? `${text.slice(0, 157)}...` : text;
}
