import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { VerificationResult } from "../core/finding.ts";
import type { Plan } from "../core/plan.ts";
import { BUILD_RECORD_FILE, readBuildRecord, type BuildRecord } from "../pipeline/build-record.ts";
import { resultId } from "../pipeline/build-template.ts";
import { readVerification } from "../../verify/record.ts";
import { version } from "./version.ts";

/** Where `template` verifies. */
const PLACE = "qemu";

/** A finished build that building again would only repeat. */
export interface StandingBuild {
  readonly record: BuildRecord;
  /** Results for the very disk that is there, by suite. */
  readonly verifications: ReadonlyMap<string, VerificationResult>;
}

/**
 * The build in `folder`, when it is what the plan would make: the same disk, outputs, labels and kvci-build, and nobody touched
 * its disk since. Undefined also for plans with a step that is to run every time, or whose layer is too old by now.
 *
 * @param now milliseconds since the epoch.
 */
export async function standingBuild(folder: string, plan: Plan, now: number): Promise<StandingBuild | undefined> {
  if (!plan.base.pinned || plan.disk.steps.some(({ volatile }) => volatile)) return undefined;
  const record = await readBuildRecord(folder).catch(() => undefined);
  if (record?.resultId !== resultId(plan, version())) return undefined;
  // A layer is at least as old as the build that it is in.
  const ageMs = now - Date.parse(record.startedAt);
  if (plan.disk.steps.some(({ maxAgeMs }) => maxAgeMs !== undefined && maxAgeMs < ageMs)) return undefined;
  if (!(await isUntouched(folder, record))) return undefined;
  const results = await readVerification(folder, record.disk.digest).catch(() => []);
  const here = results.filter(({ place }) => place === PLACE);
  return { record, verifications: new Map(here.map((result) => [result.suite, result])) };
}

/** `build.json` is written last: what is newer than it, or of another size, is not what the build made. */
async function isUntouched(folder: string, { disk, image, layered }: BuildRecord): Promise<boolean> {
  try {
    const { mtimeMs } = await stat(join(folder, BUILD_RECORD_FILE));
    const file = await stat(join(folder, disk.file));
    const layout = image ?? layered;
    const index = layout && (await stat(join(folder, layout.folder, "index.json")));
    return file.size === disk.bytes && file.mtimeMs <= mtimeMs && (index === undefined || index.mtimeMs <= mtimeMs);
  } catch {
    return false;
  }
}
