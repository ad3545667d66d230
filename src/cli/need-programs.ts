import type { Plan } from "../core/plan.ts";
import { requirePrograms } from "../host/install-programs.ts";
import { readOsRelease } from "../host/distribution.ts";
import { programsFor, type Feature, type ProgramId } from "../host/programs.ts";
import type { PlannedTemplate } from "./plans.ts";
import type { Session } from "./session.ts";

/**
 * Makes sure of the host programs that these builds use, and of no others. What is missing is installed when we are root.
 *
 * @throws {KvciError} `program-missing` with the exact command
 */
export async function needPrograms(
  session: Session,
  planned: readonly PlannedTemplate[],
  verify: boolean,
): Promise<void> {
  await ensure(session, [...new Set(planned.flatMap((each) => programsOf(each, verify)))]);
}

function programsOf({ plan, parent }: PlannedTemplate, verify: boolean): ProgramId[] {
  const own = programsFor(featuresOf(plan, verify), plan.disk.platform.arch);
  return [...own, ...(parent ? programsOf(parent, verify) : [])];
}

function featuresOf(plan: Plan, verify: boolean): Feature[] {
  const features: Feature[] = ["build"];
  const { image, urls } = plan.base;
  if (image.kind === "packages") features.push("packages-base");
  // A build from packages starts its kernel directly; everything else, and verification, goes through firmware.
  // The probe of KVM on arm64 needs it too: QEMU brings none for that machine.
  const needsFirmware = verify || image.kind !== "packages" || plan.disk.platform.arch === "arm64";
  if (plan.machine.firmware === "uefi" && needsFirmware) features.push("firmware");
  if (urls.some((url) => url.endsWith(".xz"))) features.push("xz-images");
  if (plan.images) features.push("images");
  return features;
}

/** Installs or asks for `ids`. */
export async function ensure({ app, journal, signal }: Session, ids: readonly ProgramId[]): Promise<void> {
  const host = { ...app.search, osRelease: readOsRelease(), isRoot: app.isRoot };
  await requirePrograms(ids, { ...host, signal, journal, install: app.isRoot });
}
