import { stat } from "node:fs/promises";
import { bounded } from "../../src/core/bounded.ts";
import { KvciError } from "../../src/core/error.ts";
import type { AwsTarget } from "../../src/core/target.ts";
import type { ReleaseBuild } from "../../src/publish/publisher.ts";
import type { AwsCaller, CallOptions } from "../../src/aws/aws-caller.ts";
import { hasBlockDigests } from "./block-digests.ts";
import { imagePlanOf, type ImagePlan } from "./image-plan.ts";
import { otherReleases } from "./image-state.ts";
import { observeRegion } from "./observe-region.ts";
import { assertDistinctParameters, parameterNames, type ParameterNames } from "./parameters.ts";
import { chosenRegions } from "./region-choice.ts";
import type { AwsState, ParentState, RegionState } from "./state.ts";
import { TAGS } from "./tags.ts";

/** Regions that are looked at side by side. */
export const REGIONS_AT_ONCE = 20;

export interface ObservePorts {
  readonly target: AwsTarget;
  readonly caller: AwsCaller;
  readonly storeRoot: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Whose credentials these are. */
export interface Identity {
  readonly account: string;
  /** aws, aws-cn, aws-us-gov. */
  readonly partition: string;
}

export async function identityOf(region: string, caller: AwsCaller, options: CallOptions): Promise<Identity> {
  const { Account: account, Arn: arn } = await caller.call(
    { action: "sts:GetCallerIdentity", region, input: {} },
    options,
  );
  const partition = arn?.split(":")[1];
  if (account !== undefined && partition !== undefined) return { account, partition };
  throw new KvciError("publish-failed", `sts:GetCallerIdentity in ${region} names no account`, {
    hint: "Check the endpoint that AWS_ENDPOINT_URL names.",
  });
}

/** Opt-in status of every region of the partition. */
export async function knownRegions(
  region: string,
  caller: AwsCaller,
  options: CallOptions,
): Promise<ReadonlyMap<string, string>> {
  const input = { AllRegions: true };
  const { Regions: regions = [] } = await caller.call({ action: "ec2:DescribeRegions", region, input }, options);
  return new Map(regions.map(({ RegionName = "", OptInStatus = "unknown" }) => [RegionName, OptInStatus]));
}

function parameterList(names: ParameterNames | undefined): readonly string[] {
  return names === undefined ? [] : [names.version, names.latest];
}

/** Reads everything that the difference is made from. Changes nothing. */
export async function observe(
  builds: readonly ReleaseBuild[],
  { target, caller, storeRoot, now }: ObservePorts,
  options: CallOptions,
): Promise<AwsState> {
  assertDistinctParameters(builds, target);
  const home = target.region;
  const [identity, known] = await Promise.all([identityOf(home, caller, options), knownRegions(home, caller, options)]);
  const plans = builds.map((build) => imagePlanOf(build, target, identity.account));
  const parameters = builds.flatMap((build) => parameterList(parameterNames(build, target)));
  const regions = await bounded(chosenRegions(target, known), REGIONS_AT_ONCE, (chosen) =>
    observeRegion({ chosen, plans, parameters, isHome: chosen.region === home }, caller, options),
  );
  const parents = await Promise.all(plans.map((plan) => parentOf(plan, regions, storeRoot)));
  const sizes = await Promise.all(builds.map(({ diskPath }) => fileBytes(diskPath)));
  return {
    ...identity,
    observedAt: new Date(now()).toISOString(),
    regions,
    parents: Object.fromEntries(parents.flat()),
    fileBytes: Object.fromEntries(plans.map(({ name }, index) => [name, sizes[index] ?? 0])),
  };
}

/**
 * The newest release that was uploaded from this store: what its blocks are is known here, and they need not be sent again. A
 * parent may not be larger than its child, nor encrypted.
 */
async function parentOf(
  plan: ImagePlan,
  [home]: readonly RegionState[],
  storeRoot: string,
): Promise<[string, ParentState][]> {
  const releases = otherReleases(home?.images ?? [], plan).filter(
    ({ state, encrypted, volumeGiB }) => state === "available" && !encrypted && volumeGiB <= plan.settings.volumeGiB,
  );
  for (const { snapshot, tags } of releases.reverse()) {
    const content = tags[TAGS.content] ?? "";
    if (snapshot === null || !(await hasBlockDigests(storeRoot, content))) continue;
    return [[plan.name, { snapshot, content }]];
  }
  return [];
}

async function fileBytes(path: string): Promise<number> {
  const status = await stat(path).catch(() => undefined);
  return status?.size ?? 0;
}
