import { KvciError } from "../../src/core/error.ts";
import type { ReleaseBuild } from "../../src/publish/publisher.ts";
import type { PublishStep } from "../../src/publish/step.ts";
import { imagePlanOf } from "./image-plan.ts";
import { strangers } from "./image-state.ts";
import { parameterNames } from "./parameters.ts";
import { dateSteps, pointerSteps, retirementSteps } from "./diff-pointers.ts";
import { homeSteps, copySteps, verifySteps, shareSteps, smokeSteps } from "./diff-image.ts";
import type { DiffOptions, Spot } from "./spot.ts";
import { isEnabled, type AwsState } from "./state.ts";
import { TAGS } from "./tags.ts";

/**
 * What is missing of the images in the regions of a target. Regions that are not enabled are left out: preflight says so.
 *
 * @throws {KvciError} `publish-conflict` naming every image that has a name of ours and is something else.
 */
export function diff(builds: readonly ReleaseBuild[], state: AwsState, options: DiffOptions): readonly PublishStep[] {
  const spots = builds.map((build) => {
    const plan = imagePlanOf(build, options.target, state.account);
    return state.regions.filter(isEnabled).map((region) => ({ ...options, build, plan, state, region }));
  });
  assertNamesFree(spots.flat());
  return spots.flatMap(buildSteps);
}

function buildSteps(spots: readonly Spot[]): readonly PublishStep[] {
  const [home, ...others] = spots;
  // The target's own region: without it there is nothing to copy.
  if (home === undefined || home.region.region !== home.target.region) return [];
  const made = [...homeSteps(home), ...others.flatMap((spot) => copySteps(spot, home))];
  const shared = spots.flatMap((spot) => {
    const dated = dateSteps(spot, made);
    return [...dated, ...shareSteps(spot, { made, after: dated })];
  });
  const pointed = spots.flatMap((spot) => pointerSteps(spot, { made, names: parameterNames(spot.build, spot.target) }));
  const verified = spots.flatMap((spot) => verifySteps(spot, [...made, ...shared]));
  const tried = smokeSteps(home, [...made, ...shared, ...pointed]);
  return [
    ...made,
    ...verified,
    ...tried,
    ...shared,
    ...pointed,
    ...spots.flatMap((spot) => retirementSteps(spot, made)),
  ];
}

function assertNamesFree(spots: readonly Spot[]): void {
  const taken = spots.flatMap(({ plan, region }) =>
    strangers(region.images, plan).map(({ id, tags }) => {
      const theirs = tags[TAGS.content] ?? "none of ours";
      return `${region.region}: "${plan.name}" is ${id}, with content ${theirs} and attributes ${tags[TAGS.attributes] ?? "unknown"}; wanted are ${plan.content} and ${plan.attributes}`;
    }),
  );
  if (taken.length === 0) return;
  throw new KvciError("publish-conflict", `names of images are taken: ${String(taken.length)}`, {
    hint: "Publish under another --release or imageName; what has the name now is never overwritten.",
    evidence: taken,
  });
}
