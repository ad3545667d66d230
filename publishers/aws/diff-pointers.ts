import type { PublishStep } from "../../src/publish/step.ts";
import type { Spot } from "./spot.ts";
import { existing } from "./diff-image.ts";
import { byAge, otherReleases, type ImageState } from "./image-state.ts";
import { awsStep, imageLabel } from "./make-step.ts";
import { IMAGE_TYPE, type ParameterNames } from "./parameters.ts";

/** A release that is deprecated within this time needs no other date. */
const SOON_MS = 3_600_000;
/** AWS itself dates public images, and rounds. */
const DATE_SLACK_MS = 2 * 86_400_000;

/**
 * Parameters: that of the version, then that of the newest. The latter is left alone when there is a newer release: publishing
 * an old one again repairs it, and moves nobody back to it.
 */
export function pointerSteps(
  spot: Spot,
  { made, names }: { readonly made: readonly PublishStep[]; readonly names: ParameterNames | undefined },
): readonly PublishStep[] {
  if (!names) return [];
  const { plan, region, target } = spot;
  const { id, needs } = existing(spot, made);
  const set = (which: keyof ParameterNames, after: readonly string[]): readonly PublishStep[] => {
    const former = region.parameters[names[which]] ?? null;
    if (id !== null && former?.value === id && former.dataType === IMAGE_TYPE) return [];
    return [
      awsStep(spot, "set-parameter", {
        phase: "promote",
        suffix: which,
        title: `${names[which]} is ${imageLabel(spot)}${former ? `, was ${former.value}` : ""}`,
        inputs: { image: plan, id, parameter: names[which], former },
        needs: [...needs, ...after],
        quantities: {},
        exposes: target.public,
      }),
    ];
  };
  const version = set("version", []);
  const latest = isNewest(spot)
    ? set(
        "latest",
        version.map((step) => step.id),
      )
    : [];
  return [...version, ...latest];
}

function isNewest(spot: Spot): boolean {
  const own = spot.region.own[spot.plan.name]?.image;
  return own === undefined || olderReleases(spot).length === otherReleases(spot.region.images, spot.plan).length;
}

function olderReleases({ region, plan }: Spot): readonly ImageState[] {
  const own = region.own[plan.name]?.image;
  return otherReleases(region.images, plan).filter((image) => own === undefined || byAge(image, own) < 0);
}

/**
 * The date that the image lives until. It is set before the image becomes public: AWS dates public images itself, and keeps that
 * date when they are public no more.
 */
export function dateSteps(spot: Spot, made: readonly PublishStep[]): readonly PublishStep[] {
  const { plan, region, target } = spot;
  const own = region.own[plan.name]?.image;
  const months = target.deprecateAfterMonths;
  if (own && isDated(own, months)) return [];
  const { id, needs } = existing(spot, made);
  return [
    awsStep(spot, "limit-image", {
      phase: "publish",
      title: `${imageLabel(spot)} is deprecated after ${String(months)} months`,
      inputs: { image: plan, id, months, former: own?.deprecatedAt ?? null },
      needs,
      quantities: {},
    }),
  ];
}

/** The end of those that the image takes the place of. */
export function retirementSteps(spot: Spot, made: readonly PublishStep[]): readonly PublishStep[] {
  const { plan, region, state } = spot;
  const { needs } = existing(spot, made);
  const soon = Date.parse(state.observedAt) + SOON_MS;
  const former = olderReleases(spot).filter(
    ({ deprecatedAt }) => deprecatedAt === null || Date.parse(deprecatedAt) > soon,
  );
  const retire = awsStep(spot, "deprecate-former", {
    phase: "supersede",
    title: `deprecate former releases of ${imageLabel(spot)}: ${former.map((each) => each.id).join(", ") || "what there is"}`,
    inputs: { image: plan, former: former.map((each) => ({ id: each.id, deprecatedAt: each.deprecatedAt })) },
    needs,
    quantities: {},
  });
  return former.length > 0 || region.problem !== null ? [retire] : [];
}

/** Whether an image ends in time. */
export function isDated({ deprecatedAt, createdAt }: ImageState, months: number): boolean {
  return deprecatedAt !== null && Date.parse(deprecatedAt) <= lifeEnd({ createdAt }, months) + DATE_SLACK_MS;
}

/** @returns milliseconds since the epoch. */
export function lifeEnd({ createdAt }: Pick<ImageState, "createdAt">, months: number): number {
  const date = new Date(createdAt);
  date.setUTCMonth(date.getUTCMonth() + months);
  // Public images live two years at most, counted by AWS to the minute.
  return date.getTime() - 86_400_000;
}
