import { readVerification } from "../../verify/record.ts";
import { isPublic, isShared, type Target } from "../core/target.ts";
import type { PublishPlan } from "../publish/plan.ts";
import type { PreflightFinding, ReleaseBuild } from "../publish/publisher.ts";
import { targetName } from "./publish-targets.ts";

/** What must hold of builds before anything of them is published. */
export interface Gate {
  readonly targets: readonly Target[];
  /** Whether the run boots images at a target before anybody sees them. */
  readonly boots: (target: Target) => boolean;
  /** Lets builds through that have no result at all; never to where others can see them, and never one that failed. */
  readonly unverified: boolean;
}

/**
 * Whether the very disk of each build passed its checks. A result of a cloud stands in the way of that cloud alone, and not where
 * the disk is about to be booted again.
 */
export async function verificationFindings(builds: readonly ReleaseBuild[], gate: Gate): Promise<PreflightFinding[]> {
  const found = await Promise.all(builds.map((build) => verificationFinding(build, gate)));
  return found.flat();
}

async function verificationFinding(build: ReleaseBuild, gate: Gate): Promise<PreflightFinding[]> {
  const results = await readVerification(build.folder, build.diskDigest);
  const failed = results.find(({ ok, place }) => !ok && countsAt(place, gate));
  if (failed) return [refusal(build, `it failed its ${failed.suite} checks on ${failed.place}`)];
  const passed = results.filter(({ ok }) => ok).map(({ suite, place }) => `${suite} on ${place}`);
  if (passed.length > 0) return [{ ...about(build), level: "ok", detail: `passed ${passed.join(", ")}` }];
  if (!gate.unverified) return [refusal(build, `there is no result for its disk ${build.diskDigest}`)];
  const open = gate.targets.filter(isPublic).map(targetName);
  if (open.length > 0) return [refusal(build, `there is no result for its disk, and ${open.join(", ")} is public`)];
  return [{ ...about(build), level: "warning", detail: "NOT VERIFIED, and published nevertheless (--unverified)" }];
}

function countsAt(place: string, { targets, boots }: Gate): boolean {
  if (place !== "aws" && place !== "gcp") return true;
  return targets.some((target) => target.kind === place && !boots(target));
}

/**
 * What only the plan tells: places that everybody sees although a build was not verified, and images that others would see without
 * their having been booted where they are.
 */
export function exposureFindings(plan: PublishPlan, gate: Gate): PreflightFinding[] {
  const isUnverified = plan.findings.some(({ check, level }) => check === CHECK && level === "warning");
  const isBusy = (target: string): boolean => plan.steps.some((step) => step.target === target);
  const open = isUnverified ? plan.findings.filter(({ seenByAll, target }) => seenByAll && isBusy(target)) : [];
  return [
    ...open.map(({ target, place, detail }): PreflightFinding => ({
      target,
      place,
      level: "error",
      check: CHECK,
      detail: `what is not verified would be seen by everybody: ${detail}`,
      hint: "Verify the builds, or publish them where not everybody looks.",
      code: "publish-unverified",
    })),
    ...gate.targets.filter((target) => !gate.boots(target)).flatMap((target) => unbooted(target, plan)),
  ];
}

function unbooted(target: Target, { steps }: PublishPlan): PreflightFinding[] {
  const name = targetName(target);
  const [first] = steps.filter((step) => step.target === name && step.exposes);
  if (!first || !isShared(target)) return [];
  const finding = { target: name, place: first.place, check: "boot test" };
  if (!isPublic(target)) {
    return [{ ...finding, level: "warning", detail: "NOT BOOTED there, and shared with others nevertheless" }];
  }
  return [
    {
      ...finding,
      level: "error",
      detail: "it would become public without having been booted there",
      hint: isZoneMissing(target) ? "Give the target a smokeZone." : "Leave --no-smoke out.",
      code: "publish-unverified",
    },
  ];
}

function isZoneMissing(target: Target): boolean {
  return target.kind === "gcp" && target.smokeZone === undefined;
}

const CHECK = "verification";

function about({ template, arch }: ReleaseBuild): Pick<PreflightFinding, "target" | "place" | "check"> {
  return { target: template, place: arch, check: CHECK };
}

function refusal(build: ReleaseBuild, detail: string): PreflightFinding {
  const hint = `Run \`kvci-build verify ${build.folder}\`; its result is recorded beside the build, for these very bytes.`;
  return { ...about(build), level: "error", detail, hint, code: "publish-unverified" };
}
