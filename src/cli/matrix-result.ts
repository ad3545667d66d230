import { ERRORS, KvciError, type ErrorCode } from "../core/error.ts";
import type { VerificationResult } from "../core/finding.ts";
import { failureRecord, type FailureRecord } from "../journal/failure.ts";
import type { FinishedBuild } from "./build-setup.ts";
import type { BuildOutcome } from "./matrix-builds.ts";
import { FailedBuild } from "./report-failure.ts";

/** One line of the table that ends a run of several builds; `--json` prints the same. */
export interface MatrixResult {
  readonly template: string;
  readonly arch: string;
  /** `cached`: the build was there and nothing had to be done. */
  readonly result: "built" | "cached" | "failed" | "not built";
  readonly durationMs: number;
  readonly cachedSteps: number;
  readonly steps: number;
  /** Digest of the image that was made. */
  readonly image?: string;
  readonly diskBytes?: number;
  /** Of what failed, as it is printed for a single build. */
  readonly error?: FailureRecord;
  /** Why it was not built. */
  readonly because?: string;
  /** What was made, and how it did in its checks. */
  readonly build?: FinishedBuild;
}

/** @param redact takes secrets out of what is told of failures. */
export function matrixResult(
  { job, durationMs, outcome }: BuildOutcome,
  redact: (text: string) => string,
): MatrixResult {
  const { template, disk } = job.planned.plan;
  const start = { template, arch: disk.platform.arch, durationMs, cachedSteps: 0, steps: disk.steps.length };
  switch (outcome.kind) {
    case "not-begun":
      return { ...start, result: "not built", because: reasonFor(outcome.because) };
    case "failed":
      return { ...start, result: "failed", error: recordOf(outcome.error, redact) };
    case "done":
      return { ...start, ...builtFacts(outcome.value) };
  }
}

function reasonFor(because: string | undefined): string {
  return because === undefined ? "stopped before it was begun" : `based on ${because}`;
}

function recordOf(thrown: unknown, redact: (text: string) => string): FailureRecord {
  if (!(thrown instanceof FailedBuild)) return failureRecord(thrown, { redact });
  return failureRecord(thrown.error, { ...thrown.places, redact });
}

function builtFacts(build: FinishedBuild): Omit<MatrixResult, "template" | "arch" | "durationMs"> {
  const { record, standing } = build;
  const image = (record.image ?? record.layered)?.digest;
  const failed = build.verification?.ok === false;
  return {
    result: failed ? "failed" : standing ? "cached" : "built",
    cachedSteps: record.steps.filter(({ cached }) => standing || cached).length,
    steps: record.steps.length,
    diskBytes: record.disk.bytes,
    ...(image === undefined ? {} : { image }),
    ...failureOf(build),
    build,
  };
}

function failureOf({ verification, folder }: FinishedBuild): Pick<MatrixResult, "error"> {
  return verification?.ok === false ? { error: failedChecks(verification, folder) } : {};
}

function failedChecks({ suite, findings }: VerificationResult, folder: string): FailureRecord {
  const failed = findings.filter(({ ok }) => !ok);
  const message = `${String(failed.length)} of ${String(findings.length)} checks of suite ${suite} failed`;
  const hint = `Look at it again: kvci-build verify ${folder} --suite ${suite}`;
  const evidence = failed.map(({ check, detail }) => `${check}: ${detail}`);
  return failureRecord(new KvciError("verification-failed", message, { hint, evidence }));
}

/** Interrupted, whatever else; otherwise the highest status of what failed. What was not built has the reason of another. */
export function worstExit(results: readonly MatrixResult[]): number {
  const codes = results.flatMap(({ error }): ErrorCode[] => (error ? [error.code] : []));
  return Math.max(0, ...codes.map((code) => ERRORS[code].exit));
}
