import type { ExecOptions, ExecResult, Machine } from "../../src/machine/machine.ts";
import type { Finding } from "../../src/core/finding.ts";
import { silentJournal } from "../../src/core/journal.ts";
import { sha256 } from "../../src/core/digest.ts";
import type { Check } from "../../verify/check.ts";
import type { DiskUnderTest } from "../../verify/disk-under-test.ts";
import type { Clone, Place } from "../../verify/place.ts";
import { runChecks } from "../../verify/run-checks.ts";

export const DISK: DiskUnderTest = {
  path: "/nowhere/disk.qcow2",
  digest: sha256("disk"),
  arch: "amd64",
  memoryMiB: 2048,
  cpus: 2,
  firmware: "uefi",
  virtualBytes: 10 * 1024 ** 3,
};

/** The clock of every test: 2026-01-02T03:04:05Z. */
export const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);

/** What a probe answers: its output, or output and exit status. */
export type Scripted = string | { readonly status: number; readonly output: string };

/** A machine that takes the survey's script and answers its probes from a list, in order; none for those after the list's end. */
export class ScriptedMachine implements Machine {
  readonly scripts: string[] = [];
  readonly #answers: readonly Scripted[];
  readonly #end: { readonly error?: Error; readonly exitCode?: number };

  constructor(answers: readonly Scripted[], end: { readonly error?: Error; readonly exitCode?: number } = {}) {
    this.#answers = answers;
    this.#end = end;
  }

  exec(_argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const script = typeof options.stdin === "string" ? options.stdin : "";
    this.scripts.push(script);
    const nonce = /\\036([0-9a-f]{32}) /.exec(script)?.[1] ?? "";
    this.#answers.forEach((answer, index) => {
      const { status, output } = typeof answer === "string" ? { status: 0, output: answer } : answer;
      const mark = (kind: string, value: number): string =>
        `\u001e${nonce} ${kind} ${String(index)} ${String(value)}\n`;
      options.onOutput?.("stdout", `${mark("begin", 0)}${output}`);
      options.onOutput?.("stdout", mark("end", status));
    });
    if (this.#end.error !== undefined) return Promise.reject(this.#end.error);
    return Promise.resolve({ exitCode: this.#end.exitCode ?? 0, stdout: "", stderr: "" });
  }
}

/** A clone on a machine; counts its disposals. */
export class FakeClone implements Clone {
  readonly name: string;
  readonly machine: Machine;
  readonly bootMs = 31_250;
  readonly serialLog = "/nowhere/serial.log";
  disposals = 0;

  constructor(name: string, machine: Machine) {
    this.name = name;
    this.machine = machine;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.disposals += 1;
    return Promise.resolve();
  }
}

/** A place that hands out clones made by `make`, and keeps them. */
export class FakePlace implements Place {
  readonly name = "fake";
  readonly clones: FakeClone[] = [];
  readonly #make: (name: string, signal: AbortSignal) => Promise<FakeClone>;

  constructor(make: (name: string, signal: AbortSignal) => Promise<FakeClone>) {
    this.#make = make;
  }

  async clone(_disk: DiskUnderTest, name: string, { signal }: { readonly signal: AbortSignal }): Promise<Clone> {
    const clone = await this.#make(name, signal);
    this.clones.push(clone);
    return clone;
  }
}

/** Runs one check over clones verify-a, verify-b … that answer `answers`, on `disk`. */
export async function findingOf(
  check: Check,
  answers: readonly Scripted[],
  disk: Partial<DiskUnderTest> = {},
): Promise<Finding> {
  const clones = answers.map((answer, index) => {
    return new FakeClone(`verify-${String.fromCharCode(97 + index)}`, new ScriptedMachine([answer]));
  });
  const context = {
    disk: { ...DISK, ...disk },
    journal: silentJournal,
    signal: new AbortController().signal,
    now: () => NOW,
  };
  const [finding] = await runChecks([check], clones, context);
  if (!finding) throw new RangeError("one check gives one finding");
  return finding;
}
