import { execa, ExecaError } from "execa";
import { KvciError } from "../core/error.ts";
import type { Journal } from "../core/journal.ts";
import { lastLines } from "./last-lines.ts";
import { installHint } from "./programs.ts";

export interface ProgramOptions {
  readonly signal: AbortSignal;
  /** Milliseconds until the program is ended. Everything that waits has a deadline, so there is no default. */
  readonly timeoutMs: number;
  readonly cwd?: string;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Uint8Array;
  readonly journal?: Journal;
  /** Receives standard error and, unless `quiet`, standard output as they come. */
  readonly onOutput?: (stream: "stdout" | "stderr", text: string) => void;
}

/** What is kept of each stream in memory. A program that says more is ended, so it is well above what any of ours says. */
const MAX_BUFFER = 32 * 1024 * 1024;

/**
 * Runs a host program to its end, without a shell.
 *
 * @returns its standard output.
 * @throws {KvciError} `program-missing` with the command that installs it, `program-failed` with its last lines,
 *   `store-full` when it says so, `interrupted` on abort.
 */
export async function runProgram(argv: readonly [string, ...string[]], options: ProgramOptions): Promise<string> {
  const [file, ...args] = argv;
  try {
    const child = execa(file, args, {
      cancelSignal: options.signal,
      forceKillAfterDelay: 5_000,
      timeout: options.timeoutMs,
      maxBuffer: MAX_BUFFER,
      stripFinalNewline: false,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.stdin === undefined ? { stdin: "ignore" as const } : { input: options.stdin }),
    });
    if (child.pid !== undefined) options.journal?.emit({ type: "program-started", argv, pid: child.pid });
    report(child.stdout, "stdout", options);
    report(child.stderr, "stderr", options);
    return (await child).stdout;
  } catch (error) {
    throw error instanceof ExecaError ? programError(file, error as ExecaError, options.timeoutMs) : error;
  }
}

/**
 * Runs a host program and gives its standard output piece by piece as it comes; what is not read yet stays in the pipe, so memory
 * does not grow. The program is gone when the pieces are, however that comes about.
 *
 * @throws {KvciError} as `runProgram`, also after the last piece when the program did not end well.
 */
export async function* streamProgram(
  argv: readonly [string, ...string[]],
  options: Omit<ProgramOptions, "stdin" | "onOutput">,
): AsyncGenerator<Buffer, void, undefined> {
  const [file, ...args] = argv;
  const { cwd, env } = options;
  const child = execa(file, args, {
    cancelSignal: options.signal,
    forceKillAfterDelay: 5_000,
    timeout: options.timeoutMs,
    buffer: { stdout: false },
    encoding: "buffer",
    stdin: "ignore",
    ...definedOnly({ cwd, env }),
  });
  const end = child.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (child.pid !== undefined) options.journal?.emit({ type: "program-started", argv, pid: child.pid });
  let complete = false;
  try {
    for await (const piece of child.stdout) yield piece as Buffer;
    complete = true;
  } finally {
    if (!complete) child.kill();
    const error = await end;
    // Whoever stopped reading early wants no complaint about it.
    const isWanted = complete || options.signal.aborted;
    if (isWanted && error instanceof ExecaError) throw programError(file, error as ExecaError, options.timeoutMs);
  }
}

function definedOnly<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

function report(stream: NodeJS.ReadableStream | null, name: "stdout" | "stderr", options: ProgramOptions): void {
  stream?.on("data", (chunk: Buffer) => {
    const text = chunk.toString("utf8");
    options.onOutput?.(name, text);
    options.journal?.emit({ type: "output", stream: name, text });
  });
}

function programError(file: string, error: ExecaError, timeoutMs: number): KvciError {
  if (error.isCanceled) {
    return new KvciError("interrupted", `${file} was stopped`, { hint: "Run the same command again." });
  }
  if (error.code === "ENOENT") {
    return new KvciError("program-missing", `${file} is not installed`, { hint: installHint(file), cause: error });
  }
  const evidence = lastLines(`${textOf(error.stderr)}\n${textOf(error.stdout)}`, 15);
  if (/No space left on device/i.test(evidence.join("\n"))) return spaceError(file, evidence, error);
  const hint = error.timedOut
    ? "See its output; if the host is only slow, try again."
    : `The command was: ${error.escapedCommand}`;
  return new KvciError("program-failed", `${file} ${howItEnded(error, timeoutMs)}`, { hint, evidence });
}

function howItEnded(error: ExecaError, timeoutMs: number): string {
  if (error.timedOut) return `did not end within ${String(timeoutMs / 1000)} s`;
  return error.exitCode === undefined
    ? `died of ${error.signal ?? "an unknown cause"}`
    : `exited ${String(error.exitCode)}`;
}

function textOf(output: unknown): string {
  if (output instanceof Uint8Array) return Buffer.from(output).toString("utf8");
  return typeof output === "string" ? output : "";
}

function spaceError(file: string, evidence: readonly string[], cause: unknown): KvciError {
  return new KvciError("store-full", `${file} found no space left on the device`, {
    hint: "Free some space, or move the store with KVCI_BUILD_STORE=/path/with/space, then run the same command again.",
    evidence,
    cause,
  });
}
