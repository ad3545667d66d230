import { withDisposal } from "../src/core/disposal.ts";
import { KvciError } from "../src/core/error.ts";
import type { Finding, VerificationResult } from "../src/core/finding.ts";
import type { Journal } from "../src/core/journal.ts";
import { bootClones, type Clones } from "./clones.ts";
import { assertDigest, type DiskUnderTest } from "./disk-under-test.ts";
import type { Place } from "./place.ts";
import { runChecks } from "./run-checks.ts";
import { suiteNamed, type Suite } from "./suites.ts";

export interface VerifyRequest {
  readonly disk: DiskUnderTest;
  readonly suite: string;
  readonly place: Place;
  readonly journal: Journal;
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/**
 * Runs a suite on clones of a finished disk. The result says what was found, good or bad, and is bound to the digest of
 * the bytes that were tested; a disk that does not boot is a result too. No clone outlives the call.
 *
 * @throws {KvciError} `usage` for an unknown suite, `build-not-found` or `build-invalid` for a disk that is gone or was
 *   changed after its build, `interrupted` on abort, and the place's own trouble, for example `program-missing`.
 */
export async function verifyDisk(request: VerifyRequest): Promise<VerificationResult> {
  const suite = suiteNamed(request.suite);
  const span = { name: `verify ${suite.name} on ${request.place.name}`, kind: "phase" } as const;
  return request.journal.span(span, async (journal) => {
    const startedMs = request.now();
    await assertDigest(request.disk, request.signal);
    const findings = await examine(suite, { ...request, journal });
    return {
      formatVersion: 1,
      digest: request.disk.digest,
      suite: suite.name,
      place: request.place.name,
      ok: findings.every(({ ok }) => ok),
      startedAt: new Date(startedMs).toISOString(),
      durationMs: request.now() - startedMs,
      findings,
    };
  });
}

async function examine(suite: Suite, request: VerifyRequest): Promise<Finding[]> {
  const startedMs = request.now();
  let clones: Clones;
  try {
    clones = await bootClones(request.place, request.disk, { ...request, count: suite.clones });
  } catch (error) {
    if (request.signal.aborted) throw stopped(error);
    if (!isDisksFault(error)) throw error;
    return notBooted(suite, error, { journal: request.journal, durationMs: request.now() - startedMs });
  }
  return withDisposal(clones, ({ list }) => runChecks(suite.checks, list, request));
}

function stopped(cause: unknown): KvciError {
  return new KvciError("interrupted", "stopped while the clones booted", {
    hint: "Run the same command again.",
    cause,
  });
}

/** What a disk does to its guest, as opposed to what is wrong with this host. */
function isDisksFault(error: unknown): error is KvciError {
  return error instanceof KvciError && ["guest-not-ready", "guest-died", "machine-lost"].includes(error.code);
}

/** The first check takes the blame; the rest are reported as what they are: not looked at, and so not passed. */
function notBooted(suite: Suite, error: KvciError, seen: { journal: Journal; durationMs: number }): Finding[] {
  const [boot, ...rest] = suite.checks;
  const findings = [
    { check: boot.name, ok: false, detail: error.message, evidence: error.evidence, durationMs: seen.durationMs },
    ...rest.map(({ name }) => ({
      check: name,
      ok: false,
      detail: "not looked at: the disk did not boot",
      evidence: [],
      durationMs: 0,
    })),
  ];
  for (const { check, ok, detail } of findings) seen.journal.emit({ type: "finding", check, ok, detail });
  return findings;
}
