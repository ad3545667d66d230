import { dirname } from "node:path";
import { packagesOf } from "../../builders/packages/recipe.ts";
import { platformOf, type RootBase } from "../core/base.ts";
import { KvciError } from "../core/error.ts";
import { needsOf } from "../core/needs-of.ts";
import type { Arch } from "../core/platform.ts";
import type { LockTarget } from "../lock/lock-targets.ts";
import type { App } from "./app.ts";
import { loadFiles, loadMatching } from "./matrix-plans.ts";
import { lockPath } from "./plans.ts";
import { chainOf, type LoadedTemplate } from "./template-loader/load.ts";
import { allTemplates, findTemplates } from "./template-loader/lookup.ts";
import { TEMPLATES_DIR } from "./template-loader/own-files.ts";

/** Templates that share a lock file. */
export interface LockGroup {
  /** Absolute path of the lock. */
  readonly path: string;
  readonly templates: readonly LoadedTemplate[];
}

/** The templates of these names and those they are based on, by lock file; without names, all templates there are. */
export async function lockGroups(app: App, names: readonly string[]): Promise<LockGroup[]> {
  const named =
    names.length > 0
      ? await loadMatching(app, names)
      : await loadFiles(app, await allTemplates({ cwd: app.cwd, templatesDir: TEMPLATES_DIR }));
  return grouped(app, named);
}

/** The same groups with every template of their templates' folders: what a lock's entries may be for. */
export async function withNeighbours(app: App, groups: readonly LockGroup[]): Promise<LockGroup[]> {
  const given = groups.flatMap(({ templates }) => templates);
  const files = given.map(({ file }) => file);
  for (const folder of new Set(files.map((file) => dirname(file)))) {
    files.push(...(await findTemplates(["*"], { cwd: folder, templatesDir: folder })));
  }
  const all = await grouped(app, await loadFiles(app, [...new Set(files)]));
  return all.filter(({ path }) => groups.some((group) => group.path === path));
}

async function grouped(app: App, loaded: readonly LoadedTemplate[]): Promise<LockGroup[]> {
  const templates = new Map(loaded.flatMap(chainOf).map((each) => [each.file, each]));
  const paths = new Map<string, LoadedTemplate[]>();
  for (const each of templates.values()) {
    const path = await lockPath(app, each);
    paths.set(path, [...(paths.get(path) ?? []), each]);
  }
  return [...paths].map(([path, own]) => ({ path, templates: own }));
}

/** Every template of a group on every architecture that it has. */
export function targetsOf({ templates }: Pick<LockGroup, "templates">): LockTarget[] {
  return templates.flatMap((each) => each.template.arches.map((arch) => targetOf(each, arch)));
}

function targetOf(loaded: LoadedTemplate, arch: Arch): LockTarget {
  const chain = chainOf(loaded);
  const root = rootBase(chain);
  const platform = platformOf(root, arch);
  return {
    template: loaded.template.name,
    arch,
    platform,
    cloudImage: root.kind === "cloud-image" && root.digest === undefined ? root : undefined,
    basePackages: root.kind === "packages" ? packagesOf(root, arch) : [],
    needs: [...chain].reverse().flatMap(({ template }) => needsOf(template.steps, platform)),
    dir: loaded.dir,
  };
}

function rootBase(chain: readonly LoadedTemplate[]): RootBase {
  const base = chain.at(-1)?.template.base;
  if (base && base.kind !== "template") return base;
  throw new KvciError("internal", "a template's base was not loaded", { hint: "Report this." });
}
