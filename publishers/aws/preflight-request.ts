import { KvciError } from "../../src/core/error.ts";
import type { AwsTarget } from "../../src/core/target.ts";
import type { PreflightFinding, ReleaseBuild } from "../../src/publish/publisher.ts";
import type { PublishStep } from "../../src/publish/step.ts";
import type { AwsCaller, CallOptions } from "../../src/aws/aws-caller.ts";
import type { AwsState, RegionState } from "./state.ts";
import type { ReadDisk } from "./step-handler.ts";

export interface PreflightRequest {
  readonly builds: readonly ReleaseBuild[];
  readonly state: AwsState;
  readonly steps: readonly PublishStep[];
}

export interface PreflightPorts {
  readonly target: AwsTarget & { readonly name: string };
  readonly caller: AwsCaller;
  readonly readDisk: ReadDisk;
  readonly now: () => number;
}

/** A region with something to do in it. */
export interface BusyRegion {
  readonly region: RegionState;
  /** Of this region. */
  readonly steps: readonly PublishStep[];
  readonly request: PreflightRequest;
  readonly ports: PreflightPorts;
  readonly options: CallOptions;
}

export type Finding = Omit<PreflightFinding, "target">;

/** @throws what is not a refusal: a region that does not answer cannot be published to either. */
export function unknown(error: unknown, { place, check }: { readonly place: string; readonly check: string }): Finding {
  if (!(error instanceof KvciError) || error.code !== "publish-denied") throw error;
  return { place, level: "unproven", check, detail: `cannot be asked: ${error.message}`, hint: error.hint };
}
