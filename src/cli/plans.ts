import { dirname, join } from "node:path";
import { LOCK_FILE, readLock } from "../base/lock-file.ts";
import type { PackagesBase } from "../core/base.ts";
import type { Digest } from "../core/digest.ts";
import { makePlan, type Plan, type SourceFile } from "../core/plan.ts";
import type { Arch } from "../core/platform.ts";
import { exists } from "../host/exists.ts";
import { seal } from "../steps/seal.ts";
import type { App } from "./app.ts";
import { TEMPLATES_DIR } from "./template-loader/own-files.ts";
import { explainPlanError, loadTemplate, type LoadedTemplate } from "./template-loader/load.ts";
import { findTemplate } from "./template-loader/lookup.ts";

/** A template with its plan, and the one it is based on with its own. */
export interface PlannedTemplate {
  readonly loaded: LoadedTemplate;
  readonly plan: Plan;
  readonly parent: PlannedTemplate | undefined;
  /** Host files of copy-in ops, by digest. */
  readonly sources: ReadonlyMap<string, SourceFile>;
}

/** Says which digest the store has for a base made from packages. */
export type KnownBase = (image: PackagesBase, arch: Arch) => Promise<Digest | undefined>;

export async function loadNamed(app: App, name: string): Promise<LoadedTemplate> {
  const file = await findTemplate(name, { cwd: app.cwd, templatesDir: TEMPLATES_DIR });
  return loadTemplate(file, { cwd: app.cwd, signal: app.signal });
}

/** Plans a template and those below it, lowest first. */
export async function planTemplate(
  app: App,
  { loaded, arch, known }: { readonly loaded: LoadedTemplate; readonly arch: Arch; readonly known: KnownBase },
): Promise<PlannedTemplate> {
  const parent = loaded.parent && (await planTemplate(app, { loaded: loaded.parent, arch, known }));
  const { template, sources: files } = loaded;
  const packagesBase = template.base.kind === "packages" ? await known(template.base, arch) : undefined;
  const lock = await readLock(await lockPath(app, loaded));
  try {
    const plan = makePlan({
      template,
      arch,
      lock,
      files,
      packagesBase,
      parent: parent?.plan,
      seal: seal(),
    });
    const sources = new Map([...files.values()].map((file) => [file.digest, file]));
    return { loaded, plan, parent, sources };
  } catch (error) {
    throw await explainPlanError(error, loaded, app.cwd);
  }
}

/** The lock of a template: the nearest `kvci-build.lock.json` in its folder or above; else the one in the working directory. */
export async function lockPath(app: App, { dir }: Pick<LoadedTemplate, "dir">): Promise<string> {
  for (let folder = dir; ; folder = dirname(folder)) {
    const path = join(folder, LOCK_FILE);
    if (await exists(path)) return path;
    if (folder === dirname(folder)) return join(app.cwd, LOCK_FILE);
  }
}

/** What a build is called in journals: template and architecture. */
export function buildName({ template, disk }: Plan): string {
  return `${template} ${disk.platform.arch}`;
}

/** The plan anew, when only making its base could tell the base's digest. */
export async function withKnownBase(app: App, planned: PlannedTemplate, known: KnownBase): Promise<PlannedTemplate> {
  const { plan, loaded } = planned;
  if (plan.base.pinned) return planned;
  return planTemplate(app, { loaded, arch: plan.disk.platform.arch, known });
}
