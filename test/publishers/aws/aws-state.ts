import type { AwsTarget } from "../../../src/core/target.ts";
import { targetSchema, type TargetInput } from "../../../src/core/target.ts";
import type { ReleaseBuild } from "../../../src/publish/publisher.ts";
import { imagePlanOf, ROOT_DEVICE, type ImagePlan } from "../../../publishers/aws/image-plan.ts";
import type { ImageState } from "../../../publishers/aws/image-state.ts";
import type { AwsState, RegionState } from "../../../publishers/aws/state.ts";
import { tagsOf } from "../../../publishers/aws/tags.ts";
import { readTags } from "../../../src/aws/managed-tags.ts";

const ACCOUNT = "123456789012";
export const NOW = Date.parse("2026-06-01T00:00:00Z");

export function awsTarget(given: Partial<Extract<TargetInput, { kind: "aws" }>> = {}): AwsTarget {
  return targetSchema.parse({ kind: "aws", ...given, name: "aws" }) as AwsTarget;
}

/** An image just as a plan wants it. */
export function imageAs(plan: ImagePlan, given: Partial<ImageState> = {}): ImageState {
  return {
    id: "ami-1",
    name: plan.name,
    state: "available",
    reason: null,
    ...plan.settings,
    rootDevice: ROOT_DEVICE,
    snapshot: "snap-1",
    encrypted: false,
    isPublic: false,
    createdAt: "2026-05-01T00:00:00.000Z",
    deprecatedAt: "2028-04-01T00:00:00.000Z",
    tags: readTags(tagsOf(plan)),
    ...given,
  };
}

export function planOf(build: ReleaseBuild, target: AwsTarget = awsTarget()): ImagePlan {
  return imagePlanOf(build, target, ACCOUNT);
}

export function regionState(region: string, given: Partial<RegionState> = {}): RegionState {
  return {
    region,
    required: true,
    optIn: "opt-in-not-required",
    problem: null,
    own: {},
    images: [],
    snapshots: [],
    parameters: {},
    ...given,
  };
}

export function awsState(regions: readonly RegionState[], given: Partial<AwsState> = {}): AwsState {
  return {
    account: ACCOUNT,
    partition: "aws",
    observedAt: new Date(NOW).toISOString(),
    regions,
    parents: {},
    fileBytes: {},
    ...given,
  };
}
