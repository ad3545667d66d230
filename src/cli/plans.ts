import { dirname, join } from "node:path";
import { LOCK_FILE, readLock } from "../base/lock-file.ts";
import type { PackagesBase } from "../core/base.ts";
import type { Digest } from "../core/digest.ts";
import type { Lock } from "../core/lock.ts";
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
  /** Planned from the lock alone. */
  readonly locked: boolean;
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
  options: {
    readonly loaded: LoadedTemplate;
    readonly arch: Arch;
    readonly known: KnownBase;
    /** Packages have to be in the lock, too. Default: false. */
    readonly locked?: boolean;
    /** Reads a lock by its path; one that remembers saves time when many templates are planned. Default: from the disk. */
    readonly lockAt?: (path: string) => Promise<Lock>;
  },
): Promise<PlannedTemplate> {
  const { loaded, arch, known, locked = false, lockAt = readLock } = options;
  const parent = loaded.parent && (await planTemplate(app, { ...options, loaded: loaded.parent }));
  const { template, sources: files } = loaded;
  const packagesBase = template.base.kind === "packages" ? await known(template.base, arch) : undefined;
  const lock = await lockAt(await lockPath(app, loaded));
  try {
    const plan = makePlan({
      template,
      arch,
      lock,
      files,
      packagesBase,
      parent: parent?.plan,
      locked,
      seal: seal(),
    });
    const sources = new Map([...files.values()].map((file) => [file.digest, file]));
    return { loaded, plan, parent, sources, locked };
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
  const { plan, loaded, locked } = planned;
  if (plan.base.pinned) return planned;
  return planTemplate(app, { loaded, arch: plan.disk.platform.arch, known, locked });
}
