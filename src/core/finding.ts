import type { Digest } from "./digest.ts";

/** What one check saw. */
export interface Finding {
  readonly check: string;
  readonly ok: boolean;
  /** What was seen, in one line; more lines in `evidence`. */
  readonly detail: string;
  readonly evidence: readonly string[];
  readonly durationMs: number;
}

/** All findings of one suite on one disk, bound to the digest that was tested. */
export interface VerificationResult {
  readonly formatVersion: 1;
  readonly digest: Digest;
  readonly suite: string;
  readonly place: string;
  readonly ok: boolean;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly durationMs: number;
  readonly findings: readonly Finding[];
}
