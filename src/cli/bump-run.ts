import { readdir, readFile, realpath } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { lockText } from "../base/lock-file.ts";
import type { Environment } from "../core/environment.ts";
import { KvciError } from "../core/error.ts";
import { ARCHES } from "../core/platform.ts";
import { exists } from "../host/exists.ts";
import { appIn, type App } from "./app.ts";
import type { Changelog, PlanChange } from "./bump-changelog.ts";
import { parseReleases, rewriteReleases } from "./bump-releases-file.ts";
import { newerReleases, type ReleaseChange } from "./bump-releases.ts";
import { relock } from "./bump-relock.ts";
import { releaseSource } from "./bump-source.ts";
import { openStage, type Stage } from "./bump-stage.ts";
import { targetsOf, type LockGroup } from "./lock-templates.ts";
import { loadFiles, matrixEntries, planEach, type PlannedEntry } from "./matrix-plans.ts";
import { knownBases } from "./named-plans.ts";
import type { KnownBase } from "./plans.ts";
import type { Session } from "./session.ts";
import { chainOf, type LoadedTemplate } from "./template-loader/load.ts";

export interface BumpRequest {
  readonly group: LockGroup;
  /** As given on the command line; empty for all templates. */
  readonly names: readonly string[];
  readonly kinds: { readonly kubernetes: boolean; readonly base: boolean; readonly images: boolean };
  /** Whether a table of Kubernetes releases has to be there. */
  readonly needsTable: boolean;
  /** An empty folder. */
  readonly folder: string;
}

interface Context {
  readonly session: Session;
  readonly environment: Environment;
}

/**
 * Finds what is newer, and stages the files as they are to become.
 *
 * @throws {KvciError} what cannot be found out or resolved, naming the URL or the entry
 */
export async function bumpTemplates(
  request: BumpRequest,
  context: Context,
): Promise<{ readonly stage: Stage; readonly changelog: Changelog }> {
  const { group, kinds, folder } = request;
  const { app } = context.session;
  const known = await knownBases(app, context.environment);
  const before = await planAll(app, group.templates, known);
  const table = await tableOf(request);
  const folders = group.templates.map(({ file }) => dirname(file));
  const stage = await openStage({ root: dirname(group.path), copied: folders, folder });
  const versions = table === undefined ? [] : await bumpReleases(table, stage, { request, context });
  const newFiles = table === undefined ? [] : await addTemplates(dirname(dirname(table)), versions, stage);
  const next = await stagedGroup(stage, { app, group, newFiles });
  const relocked = await relock(
    { group: next.group, app: next.app, before: targetsOf(group), refresh: kinds },
    context,
  );
  const text = lockText(relocked.after);
  if (text !== lockText(relocked.before)) await stage.write(group.path, text);
  const plans = planChanges(before, await planAll(next.app, next.group.templates, known));
  const shown = newFiles.map((file) => relative(dirname(group.path), file));
  return { stage, changelog: { ...relocked, versions, plans, newFiles: shown } };
}

function planAll(app: App, templates: readonly LoadedTemplate[], known: KnownBase): Promise<PlannedEntry[]> {
  return planEach(app, matrixEntries(templates, ARCHES), { known });
}

/** The table of releases beside the templates. */
async function tableOf({ group, kinds, needsTable }: BumpRequest): Promise<string | undefined> {
  if (!kinds.kubernetes) return undefined;
  const paths = [...new Set(group.templates.map(({ dir }) => join(dir, "kubernetes", "versions.json")))];
  for (const path of paths) if (await exists(path)) return path;
  if (!needsTable) return undefined;
  throw new KvciError("usage", "there is no table of Kubernetes releases beside these templates", {
    hint: "Bump --base and --images only, or templates beside a kubernetes/versions.json.",
    evidence: paths.map((path) => `looked for ${path}`),
  });
}

async function bumpReleases(
  path: string,
  stage: Stage,
  { request, context }: { readonly request: BumpRequest; readonly context: Context },
): Promise<ReleaseChange[]> {
  const { session, environment } = context;
  const text = await readFile(path, "utf8");
  const releases = parseReleases(text);
  const minors = Object.keys(releases).filter((minor) => isOf(minor, request));
  const source = releaseSource(environment, { signal: session.signal });
  const changes = await session.journal.span({ name: "ask for Kubernetes releases", kind: "phase" }, () =>
    newerReleases(releases, { minors, newMinors: request.names.length === 0 }, source),
  );
  if (changes.length > 0) await stage.write(path, rewriteReleases(text, changes, path));
  return changes;
}

/** With names, only the minors that the templates are called after: the others' locks would be behind. */
function isOf(minor: string, { names, group }: BumpRequest): boolean {
  if (names.length === 0) return true;
  const mentions = mentionOf(minor);
  return group.templates.some(({ template }) => template.name.search(mentions) >= 0);
}

function mentionOf(minor: string): RegExp {
  return new RegExp(`(?<![0-9.])${minor.replace(".", "\\.")}(?![0-9])`, "g");
}

/** Templates of a new minor: those of the minor before, with the other number. */
async function addTemplates(folder: string, versions: readonly ReleaseChange[], stage: Stage): Promise<string[]> {
  const added: string[] = [];
  for (const { minor, from } of versions) {
    if (from) continue;
    const mention = mentionOf(minorBefore(minor));
    const names = [...(await readdir(folder)), ...added.map((file) => basename(file))];
    for (const name of names.filter((each) => /\.m?[jt]s$/.test(each) && each.search(mention) >= 0)) {
      const file = join(folder, name.replace(mention, minor));
      if (await exists(file)) continue;
      const text = await readFile(stage.pathOf(join(folder, name)), "utf8");
      await stage.write(file, text.replace(mention, minor));
      added.push(file);
    }
  }
  return added;
}

function minorBefore(minor: string): string {
  return `1.${String(Number(minor.split(".")[1]) - 1)}`;
}

/** The templates as they are to become, loaded from the stage. */
async function stagedGroup(
  stage: Stage,
  { app, group, newFiles }: { readonly app: App; readonly group: LockGroup; readonly newFiles: readonly string[] },
): Promise<{ readonly app: App; readonly group: LockGroup }> {
  const cwd = await realpath(app.cwd);
  const root = dirname(group.path);
  const staged = appIn(app, relative(root, cwd).startsWith("..") ? stage.pathOf(root) : stage.pathOf(cwd));
  const files = [...group.templates.map(({ file }) => file), ...newFiles].map(stage.pathOf);
  const loaded = (await loadFiles(staged, files)).flatMap(chainOf);
  const templates = [...new Map(loaded.map((each) => [each.file, each])).values()];
  return { app: staged, group: { path: stage.pathOf(group.path), templates } };
}

function planChanges(before: readonly PlannedEntry[], after: readonly PlannedEntry[]): PlanChange[] {
  const nameOf = ({ loaded, arch }: PlannedEntry): string => `${loaded.template.name} ${arch}`;
  const known = new Map(before.map((entry) => [nameOf(entry), entry.plan?.id]));
  return after.map((entry) => ({
    template: entry.loaded.template.name,
    arch: entry.arch,
    from: known.get(nameOf(entry)),
    to: entry.plan?.id,
  }));
}
