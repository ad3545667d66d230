import type { AwsTarget } from "../../src/core/target.ts";
import type { ReleaseBuild } from "../../src/publish/publisher.ts";
import type { ImagePlan } from "./image-plan.ts";
import type { AwsState, RegionState } from "./state.ts";

export interface DiffOptions {
  readonly target: AwsTarget & { readonly name: string };
  readonly smoke: boolean;
}

/** One image in one region: what the steps there are made from. */
export interface Spot extends DiffOptions {
  readonly build: ReleaseBuild;
  readonly plan: ImagePlan;
  readonly state: AwsState;
  readonly region: RegionState;
}
