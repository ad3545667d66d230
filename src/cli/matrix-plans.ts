import { readLock } from "../base/lock-file.ts";
import { canonicalJson } from "../core/canonical-json.ts";
import { KvciError } from "../core/error.ts";
import type { Lock } from "../core/lock.ts";
import type { Plan } from "../core/plan.ts";
import type { Arch } from "../core/platform.ts";
import type { App } from "./app.ts";
import { planTemplate, type KnownBase, type PlannedTemplate } from "./plans.ts";
import { preferredArch } from "./preferred-arch.ts";
import { reasonOf } from "./report-failure.ts";
import { loadTemplate, type LoadedTemplate } from "./template-loader/load.ts";
import { allTemplates, findTemplates } from "./template-loader/lookup.ts";
import { TEMPLATES_DIR } from "./template-loader/own-files.ts";

/** A template on one architecture, not planned yet. */
export interface MatrixEntry {
  readonly loaded: LoadedTemplate;
  readonly arch: Arch;
}

/** Templates by names and patterns, in that order, each once. */
export async function loadMatching(app: App, names: readonly string[]): Promise<LoadedTemplate[]> {
  const files = await findTemplates(names, { cwd: app.cwd, templatesDir: TEMPLATES_DIR });
  return loadFiles(app, files);
}

/** As `loadMatching`; without names, all templates there are. */
export async function loadNamedOrAll(app: App, names: readonly string[]): Promise<LoadedTemplate[]> {
  if (names.length > 0) return loadMatching(app, names);
  return loadFiles(app, await allTemplates({ cwd: app.cwd, templatesDir: TEMPLATES_DIR }));
}

/** Template files, in that order. */
export async function loadFiles(app: App, files: readonly string[]): Promise<LoadedTemplate[]> {
  const loaded: LoadedTemplate[] = [];
  // One after another: evaluating is work for the processor, and errors are placed by a setting of the whole process.
  for (const file of files) loaded.push(await loadTemplate(file, { cwd: app.cwd, signal: app.signal }));
  return loaded;
}

/** A template on one architecture with its plan, or why it has none. */
export interface PlannedEntry extends MatrixEntry {
  readonly plan: Plan | undefined;
  readonly error: KvciError | undefined;
}

/**
 * Every template on every architecture that is asked for and that it has.
 *
 * @param arches undefined for one architecture each, the host's where the template has it.
 * @throws {KvciError} `usage` for a template that has none of them.
 */
export function matrixEntries(loaded: readonly LoadedTemplate[], arches: readonly Arch[] | undefined): MatrixEntry[] {
  return loaded.flatMap((each) => {
    const own = each.template.arches;
    const wanted = arches ? arches.filter((arch) => own.includes(arch)) : [preferredArch(own, process.arch)];
    if (wanted.length === 0) throw noArch(each, arches ?? []);
    return wanted.map((arch) => ({ loaded: each, arch }));
  });
}

/** What is not made although its architecture was asked for, as `k8s-1.31 for arm64`. */
export function leftOut(loaded: readonly LoadedTemplate[], arches: readonly Arch[] | undefined): string[] {
  return loaded.flatMap(({ template }) =>
    (arches ?? []).filter((arch) => !template.arches.includes(arch)).map((arch) => `${template.name} for ${arch}`),
  );
}

export interface PlanningOptions {
  readonly known: KnownBase;
  /** Packages have to be in the lock, too. Default: false. */
  readonly locked?: boolean;
}

/** Plans all entries, the first mistake ends it. */
export async function planEntries(
  app: App,
  entries: readonly MatrixEntry[],
  options: PlanningOptions,
): Promise<PlannedTemplate[]> {
  const shared = { ...options, lockAt: locksOnce(), known: knownOnce(options.known) };
  const planned: PlannedTemplate[] = [];
  for (const entry of entries) planned.push(await planTemplate(app, { ...shared, ...entry }));
  return planned;
}

/** Plans every entry; what is wrong with one is kept beside it. */
export async function planEach(
  app: App,
  entries: readonly MatrixEntry[],
  options: PlanningOptions,
): Promise<PlannedEntry[]> {
  const shared = { ...options, lockAt: locksOnce(), known: knownOnce(options.known) };
  const planned: PlannedEntry[] = [];
  for (const entry of entries) {
    try {
      const { plan } = await planTemplate(app, { ...shared, ...entry });
      planned.push({ ...entry, plan, error: undefined });
    } catch (error) {
      planned.push({ ...entry, plan: undefined, error: expected(app, error) });
    }
  }
  return planned;
}

/** Looks for each base once: templates of a family stand on one. */
function knownOnce(known: KnownBase): KnownBase {
  const bases = new Map<string, ReturnType<KnownBase>>();
  return (image, arch) => {
    const key = canonicalJson({ image, arch });
    const base = bases.get(key) ?? known(image, arch);
    bases.set(key, base);
    return base;
  };
}

/** Reads each lock once: that of many templates takes longer to read than they take to plan. */
export function locksOnce(): (path: string) => Promise<Lock> {
  const locks = new Map<string, Promise<Lock>>();
  return (path) => {
    const lock = locks.get(path) ?? readLock(path);
    locks.set(path, lock);
    return lock;
  };
}

/**
 * What was thrown for a template, to be told beside it. A defect of ours, and Ctrl-C, end the whole of it.
 *
 * @throws those.
 */
export function expected(app: App, thrown: unknown): KvciError {
  const error = reasonOf(thrown, app.signal);
  if (error instanceof KvciError && error.code !== "interrupted" && error.code !== "internal") return error;
  throw error;
}

function noArch({ template }: LoadedTemplate, arches: readonly Arch[]): KvciError {
  const made = template.arches.join(", ");
  return new KvciError("usage", `template "${template.name}" is not made for ${arches.join(" or ")}`, {
    hint: `It is made for ${made}; add to its arches, or name others with --arch.`,
  });
}
