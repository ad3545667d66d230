import { readdir, readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { isDigest, type Digest } from "../core/digest.ts";
import { KvciError } from "../core/error.ts";
import { jsonOf } from "../core/parse-json.ts";
import type { FormerKeys } from "../core/plan-changes.ts";
import { exists } from "../host/exists.ts";
import { readLayout } from "../oci/read-layout.ts";
import { BUILD_RECORD_FILE, readBuildRecord, type BuildRecord } from "../pipeline/build-record.ts";

/** A plan whose result is published somewhere. */
export interface PublishedPlan {
  readonly template: string;
  readonly arch: string;
  readonly planId: string;
  /** Of a build's own record; other places do not tell. */
  readonly keys?: FormerKeys;
}

/** Reads the configuration of an image in a registry, by its reference. */
export type ReadImageConfig = (ref: string) => Promise<Uint8Array>;

const TEMPLATE = "io.kubevirt.kvci-build.template";
const PLAN_ID = "io.kubevirt.kvci-build.plan-id";

const digest = z.custom<Digest>((value) => typeof value === "string" && isDigest(value));
const matrixFile = z.object({
  include: z.array(z.object({ template: z.string(), arch: z.string(), planId: digest.optional() })),
});
const imageConfig = z.object({
  architecture: z.string(),
  config: z.object({ Labels: z.record(z.string(), z.string()).optional() }).optional(),
});

/**
 * What is published, by where it says so: a build's folder or `build.json`, a folder of builds (`out`), a list that
 * `matrix --json` printed, an OCI layout, or the reference of an image in a registry.
 *
 * @throws {KvciError} `usage` for what is none of these; what reading it throws.
 */
export async function readPublished(
  places: readonly string[],
  { cwd, readConfig }: { readonly cwd: string; readonly readConfig: ReadImageConfig },
): Promise<PublishedPlan[]> {
  const found: PublishedPlan[] = [];
  for (const place of places) {
    const path = resolve(cwd, place);
    const stats = await stat(path).catch(() => undefined);
    if (stats?.isDirectory()) found.push(...(await readFolder(path, place)));
    else if (stats) found.push(...(await readList(path, place)));
    else found.push(await readReference(place, readConfig));
  }
  return found;
}

async function readFolder(path: string, place: string): Promise<PublishedPlan[]> {
  if (await exists(join(path, BUILD_RECORD_FILE))) return [planOf(await readBuildRecord(path))];
  if (await exists(join(path, "oci-layout"))) return readImages(path, place);
  const builds: PublishedPlan[] = [];
  for (const folder of await foldersBelow(path)) {
    if (await exists(join(folder, BUILD_RECORD_FILE))) builds.push(planOf(await readBuildRecord(folder)));
  }
  if (builds.length > 0) return builds;
  throw unknownPlace(place, "there is neither a build nor an OCI layout in it");
}

/** `<folder>/<template>/<arch>`; what begins with a dot is being built. */
async function foldersBelow(path: string): Promise<string[]> {
  const inside = async (folder: string): Promise<string[]> => {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries
      .filter((each) => each.isDirectory() && !each.name.startsWith("."))
      .map(({ name }) => join(folder, name));
  };
  return (await Promise.all((await inside(path)).map(inside))).flat().sort();
}

function planOf({ template, platform, planId, base, steps }: BuildRecord): PublishedPlan {
  return { template, arch: platform.arch, planId, keys: { base: base.digest, steps } };
}

async function readList(path: string, place: string): Promise<PublishedPlan[]> {
  if (path.endsWith(`/${BUILD_RECORD_FILE}`)) return [planOf(await readBuildRecord(join(path, "..")))];
  const list = matrixFile.safeParse(jsonOf(await readFile(path, "utf8")));
  if (!list.success) throw unknownPlace(place, "it is neither a build.json nor what `matrix --json` prints");
  return list.data.include.flatMap(({ planId, ...rest }) => (planId === undefined ? [] : [{ ...rest, planId }]));
}

async function readImages(path: string, place: string): Promise<PublishedPlan[]> {
  const { images } = await readLayout(path);
  const plans = images.flatMap(({ config }) => labelled(config.architecture, config.config?.Labels));
  if (plans.length > 0) return plans;
  throw unknownPlace(place, "no image in it was made by kvci-build");
}

async function readReference(ref: string, readConfig: ReadImageConfig): Promise<PublishedPlan> {
  if (!/^[^\s/]+\/[^\s]+[:@][^\s/]+$/.test(ref)) throw unknownPlace(ref, "there is no such file");
  const config = imageConfig.safeParse(jsonOf(Buffer.from(await readConfig(ref)).toString("utf8")));
  const [plan] = config.success ? labelled(config.data.architecture, config.data.config?.Labels) : [];
  if (plan) return plan;
  throw unknownPlace(ref, "the image was not made by kvci-build");
}

function labelled(arch: string, labels: Readonly<Record<string, string>> | null | undefined): PublishedPlan[] {
  const [template, planId] = [labels?.[TEMPLATE], labels?.[PLAN_ID]];
  return template === undefined || planId === undefined ? [] : [{ template, arch, planId }];
}

function unknownPlace(place: string, why: string): KvciError {
  return new KvciError("usage", `${place} does not say what is published: ${why}`, {
    hint: "Name a build's folder, its build.json, a folder of builds, a list printed by `matrix --json`, an OCI layout, or an image reference.",
  });
}
