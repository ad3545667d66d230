import type { Compute } from "../../src/gcp/compute.ts";
import type { Storage } from "../../src/gcp/storage.ts";
import type { PublishContext, ReleaseBuild, SmokeTest } from "../../src/publish/publisher.ts";
import type { StepResult } from "../../src/publish/step.ts";
import type { RetryPace } from "../../src/gcp/gcp-caller.ts";
import type { ImagePlan, NamedGcpTarget } from "./image-plan.ts";
import type { GcpStep, GcpStepKind } from "./step-inputs.ts";

/** Reads a disk's raw bytes in order. */
export type ReadDisk = (
  path: string,
  options: { readonly signal: AbortSignal; readonly journal: PublishContext["journal"] },
) => AsyncIterable<Uint8Array>;

/** What steps work with. */
export interface StepPorts {
  readonly target: NamedGcpTarget;
  readonly compute: (signal: AbortSignal) => Compute;
  readonly storage: (signal: AbortSignal) => Storage;
  /** One attempt for each call. */
  readonly storageOnce: (signal: AbortSignal) => Storage;
  readonly storeRoot: string;
  readonly now: () => number;
  readonly readDisk: ReadDisk;
  readonly smoke: SmokeTest | undefined;
  readonly pace: RetryPace;
  /** Milliseconds between two looks at something that takes its time. */
  readonly pollMs: number;
  /** How many threads compress. Default: as many as there are. */
  readonly workers: number | undefined;
  /** @throws {KvciError} `internal` for a build that was not observed. */
  readonly buildOf: (image: ImagePlan) => ReleaseBuild;
}

/** Does and takes back one kind of step. Both look first, and change nothing that is as it should be. */
export interface StepHandler<K extends GcpStepKind> {
  run(step: GcpStep<K>, context: PublishContext): Promise<StepResult>;
  undo(step: GcpStep<K>, result: StepResult | undefined, context: PublishContext): Promise<void>;
}

/** What a step changes nothing by is not taken back. */
export const nothingToUndo = (): Promise<void> => Promise.resolve();
