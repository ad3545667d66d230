import { canonicalJson } from "../../src/core/canonical-json.ts";
import { KvciError } from "../../src/core/error.ts";
import { linkPath, type ComputeImage } from "../../src/gcp/compute.ts";
import { descriptionOf, labelsOf, type ImagePlan } from "./image-plan.ts";
import { nothingToUndo, type StepHandler, type StepPorts } from "./step-handler.ts";

/** Reads every attribute back before anybody else sees the image. */
export function verifyImage({ compute }: StepPorts): StepHandler<"verify-image"> {
  return {
    run: async ({ inputs: { image: plan } }, { signal }) => {
      const image = await compute(signal).image(plan.name);
      const differences = image ? differencesOf(image, plan) : ["there is no such image"];
      if (differences.length === 0) return { checked: true };
      throw new KvciError("publish-integrity", `the image ${plan.name} is not as it was asked for`, {
        hint: "Nobody else can use it yet. `kvci-build publish rollback` removes it; then publish again.",
        evidence: differences,
      });
    },
    undo: nothingToUndo,
  };
}

/** Google may add features and licences of its own; none of ours may be missing. */
function differencesOf(image: ComputeImage, plan: ImagePlan): readonly string[] {
  const { settings } = plan;
  const exact: readonly (readonly [string, unknown, unknown])[] = [
    ["status", "READY", image.status],
    ["architecture", settings.architecture, image.architecture ?? "none"],
    ["size in GiB", String(settings.diskGiB), image.diskSizeGb],
    ["description", descriptionOf(plan), image.description],
    ...Object.entries(labelsOf(plan)).map(
      ([key, value]) => [`label ${key}`, value, image.labels[key] ?? "none"] as const,
    ),
    ...(settings.storageLocations.length > 0
      ? [["locations", settings.storageLocations, image.storageLocations.toSorted()] as const]
      : []),
  ];
  const features = image.guestOsFeatures.map(({ type }) => type);
  const licenses = image.licenses.map(linkPath);
  return [
    ...exact
      .filter(([, wanted, is]) => canonicalJson(wanted) !== canonicalJson(is))
      .map(([what, wanted, is]) => `${what}: wanted ${JSON.stringify(wanted)}, is ${JSON.stringify(is)}`),
    ...missingOf("guest OS feature", settings.guestOsFeatures, features),
    ...missingOf("licence", settings.licenses, licenses),
    ...(settings.guestOsFeatures.includes("UEFI_COMPATIBLE") || !features.includes("UEFI_COMPATIBLE")
      ? []
      : ["it promises UEFI, and the disk boots by BIOS"]),
  ];
}

function missingOf(what: string, wanted: readonly string[], has: readonly string[]): readonly string[] {
  return wanted.filter((each) => !has.includes(each)).map((each) => `${what} ${each} is missing`);
}
