import { KvciError, messageOf } from "../src/core/error.ts";
import type { Finding } from "../src/core/finding.ts";
import type { Journal } from "../src/core/journal.ts";
import { linesOf, type Check, type CheckContext, type Subject, type Verdict } from "./check.ts";
import type { DiskUnderTest } from "./disk-under-test.ts";
import type { Clone } from "./place.ts";
import { survey, type Answer } from "./survey.ts";

export interface ChecksContext {
  readonly disk: DiskUnderTest;
  readonly journal: Journal;
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

type Surveyed = readonly { readonly clone: Clone; readonly answers: ReadonlyMap<string, Answer> }[];

/**
 * Runs every check on `clones` and reports every finding. A check that throws, that could not look or that passes its
 * deadline is a failed finding like any other.
 *
 * @throws {KvciError} `interrupted` on abort, and nothing else.
 */
export async function runChecks(
  checks: readonly Check[],
  clones: readonly Clone[],
  context: ChecksContext,
): Promise<Finding[]> {
  const surveyed = await context.journal.span({ name: "ask the clones", kind: "phase" }, () =>
    Promise.all(clones.map(async (clone) => ({ clone, answers: await survey(clone, checks, context) }))),
  );
  const findings: Finding[] = [];
  for (const check of checks) findings.push(await runCheck(check, surveyed, context));
  return findings;
}

async function runCheck(check: Check, surveyed: Surveyed, context: ChecksContext): Promise<Finding> {
  return context.journal.span({ name: check.name, kind: "check" }, async (journal) => {
    const from = context.now();
    const verdict = unanswered(check, surveyed) ?? (await judge(check, surveyed, context));
    const askingMs = Math.max(0, ...surveyed.map(({ answers }) => answers.get(check.name)?.durationMs ?? 0));
    const finding = { check: check.name, ...verdict, durationMs: askingMs + context.now() - from };
    journal.emit({ type: "finding", check: finding.check, ok: finding.ok, detail: finding.detail });
    return finding;
  });
}

/** The failed verdict of a check that has not got an answer from every clone; it must not pass for want of bad news. */
function unanswered(check: Check, surveyed: Surveyed): Verdict | undefined {
  const troubles = surveyed.flatMap(({ clone, answers }) => {
    const answer = answers.get(check.name);
    const trouble = answer && troubleOf(answer, check);
    return trouble === undefined ? [] : [{ text: `${clone.name}: ${trouble}`, output: linesOf(answer?.output ?? "") }];
  });
  const [first] = troubles;
  if (!first) return undefined;
  return { ok: false, detail: first.text, evidence: troubles.flatMap(({ text, output }) => [text, ...output]) };
}

function troubleOf({ status, reason, cut }: Answer, check: Check): string | undefined {
  if (status === undefined) return `no answer: ${reason}`;
  if (status === 124 || status === 137) return `no answer within ${String(check.timeoutMs / 1000)} s`;
  if (status !== 0) return `the probe itself ended with status ${String(status)}`;
  return cut ? "the answer is too long to be judged" : undefined;
}

async function judge(check: Check, surveyed: Surveyed, { disk, signal }: ChecksContext): Promise<Verdict> {
  const deadline = AbortSignal.timeout(check.timeoutMs);
  const subjects = surveyed.map(({ clone, answers }) => subjectOf(clone, answers.get(check.name)));
  try {
    return await settled(check, subjects, { disk, signal: AbortSignal.any([signal, deadline]) });
  } catch (error) {
    if (signal.aborted) throw stopped(error);
    if (deadline.aborted) {
      return { ok: false, detail: `no verdict within ${String(check.timeoutMs / 1000)} s`, evidence: [] };
    }
    return { ok: false, detail: messageOf(error), evidence: error instanceof KvciError ? error.evidence : [] };
  }
}

/** The verdict, or a rejection as soon as the signal is aborted, whether the check looks at the signal or not. */
async function settled(check: Check, subjects: readonly Subject[], context: CheckContext): Promise<Verdict> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => {
    aborted.reject(context.signal.reason);
  };
  context.signal.addEventListener("abort", abort, { once: true });
  try {
    context.signal.throwIfAborted();
    return await Promise.race([check.judge(subjects, context), aborted.promise]);
  } finally {
    context.signal.removeEventListener("abort", abort);
  }
}

function subjectOf(clone: Clone, answer: Answer | undefined): Subject {
  const { name, machine, bootMs } = clone;
  const { output = "", askedFrom = 0, askedUntil = 0 } = answer ?? {};
  return { name, machine, bootMs, output, askedFrom, askedUntil };
}

function stopped(cause: unknown): KvciError {
  return new KvciError("interrupted", "stopped while verifying", { hint: "Run the same command again.", cause });
}
