import type { Machine } from "../src/machine/machine.ts";
import type { DiskUnderTest } from "./disk-under-test.ts";

/**
 * One thing a finished disk must be. A check asks by `probe`, which travels to every clone in one script with the probes
 * of the other checks (a command of its own costs half a second under TCG), and judges the answers of all clones together.
 */
export interface Check {
  /** Lower-case words joined by `-`; unique in a suite. */
  readonly name: string;
  /** What a pass proves, in one line. */
  readonly proves: string;
  /** Milliseconds for the probe, and again for the judgement. */
  readonly timeoutMs: number;
  /**
   * Run as root by `sh -eu`, standard input empty, both output streams taken together. It ends with 0 whatever it finds:
   * another status means that it could not look, and fails the check without a judgement.
   */
  readonly probe?: string;
  /** Bytes of the answer that are kept, for a check whose good answer is long. Default: 8 KiB. */
  readonly answerLimitBytes?: number;
  judge(subjects: readonly Subject[], context: CheckContext): Verdict | Promise<Verdict>;
}

/** A clone as a check sees it. */
export interface Subject {
  /** Also the hostname that the place gave the clone. */
  readonly name: string;
  readonly machine: Machine;
  /** Milliseconds from power-on until a command was answered. */
  readonly bootMs: number;
  /** What the check's probe printed; empty for a check without one. */
  readonly output: string;
  /** Milliseconds since the epoch, by this host's clock: between these two the probe ran. */
  readonly askedFrom: number;
  readonly askedUntil: number;
}

export interface CheckContext {
  readonly disk: DiskUnderTest;
  /** Aborted by the user or at the check's deadline. */
  readonly signal: AbortSignal;
}

/** How a check judges what it saw. */
export interface Verdict {
  readonly ok: boolean;
  /** One line. */
  readonly detail: string;
  readonly evidence: readonly string[];
}

export function pass(detail: string, evidence: readonly string[] = []): Verdict {
  return { ok: true, detail, evidence };
}

/** @param complaints at least one; the first becomes the detail, all are evidence. */
export function fail(complaints: readonly string[], evidence: readonly string[] = []): Verdict {
  const [first = "failed", ...more] = complaints;
  const detail = more.length === 0 ? first : `${first} (and ${String(more.length)} more)`;
  return { ok: false, detail, evidence: [...(more.length === 0 ? [] : complaints), ...evidence] };
}

/** Judges every clone by itself: passes with `detail` when nobody has a complaint. Complaints name their clone. */
export function judgeEach(
  subjects: readonly Subject[],
  detail: string,
  complain: (subject: Subject) => readonly string[],
): Verdict {
  const complaints = subjects.flatMap((subject) => complain(subject).map((text) => `${subject.name}: ${text}`));
  return complaints.length === 0 ? pass(detail) : fail(complaints);
}

/** The lines of a probe's output that begin with `label: `, without it. */
export function labelled(output: string, label: string): string[] {
  const start = `${label}: `;
  return linesOf(output).flatMap((line) => (line.startsWith(start) ? [line.slice(start.length)] : []));
}

/** Lines that say something, without carriage returns. */
export function linesOf(output: string): string[] {
  return output.split(/\r?\n/).filter((line) => line.trim() !== "");
}
