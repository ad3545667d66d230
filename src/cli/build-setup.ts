import type { CachePolicy } from "../core/builder.ts";
import type { Environment } from "../core/environment.ts";
import type { VerificationResult } from "../core/finding.ts";
import type { BuildRecord } from "../pipeline/build-record.ts";
import type { MachineSlots } from "./machine-slots.ts";
import type { OnError } from "./on-error-mode.ts";
import type { KnownBase } from "./plans.ts";
import type { Session } from "./session.ts";

export interface BuildSetup {
  readonly session: Session;
  readonly environment: Environment;
  /** Which bases made from packages the store has, for planning anew. */
  readonly known: KnownBase;
  /** Absolute path of the folder that builds are put into. */
  readonly out: string;
  readonly verify: boolean;
  readonly cache: CachePolicy;
  readonly slots: MachineSlots;
  /** What becomes of the guest when a step fails. */
  readonly onError: OnError;
}

export interface FinishedBuild {
  readonly folder: string;
  /** Getting the base: how long it took, and whether the store had it. */
  readonly base: { readonly durationMs: number; readonly cached: boolean };
  readonly record: BuildRecord;
  /** True when the build was there and nothing had to be done. */
  readonly standing: boolean;
  /** Absent when the build was not to be verified. */
  readonly verification: VerificationResult | undefined;
}
