import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Environment } from "../core/environment.ts";
import type { Lock } from "../core/lock.ts";
import { exists } from "../host/exists.ts";
import { rawConfig } from "../images/skopeo.ts";
import type { App } from "./app.ts";
import { registryAccess } from "./image-access.ts";
import type { Former } from "./matrix-list.ts";
import { expected, loadFiles, locksOnce, type PlannedEntry } from "./matrix-plans.ts";
import { readPublished, type PublishedPlan, type ReadImageConfig } from "./matrix-published.ts";
import { checkOutRevision, type Revision } from "./matrix-revision.ts";
import { planTemplate, type KnownBase } from "./plans.ts";
import type { LoadedTemplate } from "./template-loader/load.ts";
import { allTemplates } from "./template-loader/lookup.ts";

export interface ComparedWith {
  /** A git revision. */
  readonly since?: string;
  /** Places that say what is published. */
  readonly published?: readonly string[];
  readonly environment: Environment;
  readonly known: KnownBase;
}

export interface Compared {
  /** By place of the entry; none when nothing was to be compared with. */
  readonly formers: readonly Former[];
  /** What there was and is not any more. */
  readonly gone: readonly string[];
}

/** What each entry is compared with. */
export async function compared(app: App, planned: readonly PlannedEntry[], other: ComparedWith): Promise<Compared> {
  const { since, published } = other;
  if (since !== undefined) return atRevision(app, planned, { since, known: other.known });
  if (!published) return { formers: [], gone: [] };
  const plans = await publishedPlans(app, published, other.environment);
  return { formers: planned.map(() => ({ kind: "published", plans })), gone: unplanned(plans, planned) };
}

function publishedPlans(app: App, places: readonly string[], environment: Environment): Promise<PublishedPlan[]> {
  return inTemporaryFolder("kvci-published-", async (folder) => {
    const access = await registryAccess(environment, folder);
    const readConfig: ReadImageConfig = (ref) => rawConfig(ref, { access, signal: app.signal });
    return readPublished(places, { cwd: app.cwd, readConfig });
  });
}

function unplanned(plans: readonly PublishedPlan[], planned: readonly PlannedEntry[]): string[] {
  const known = new Set(planned.map(({ loaded, arch }) => `${loaded.template.name} ${arch}`));
  const names = plans.map(({ template, arch }) => `${template} ${arch}`);
  return [...new Set(names)].filter((name) => !known.has(name)).sort();
}

function atRevision(
  app: App,
  planned: readonly PlannedEntry[],
  { since, known }: { readonly since: string; readonly known: KnownBase },
): Promise<Compared> {
  return inTemporaryFolder("kvci-since-", async (folder) => {
    const revision = await checkOutRevision(app, since, folder);
    const load = loadingOnce(revision.app);
    const lockAt = locksOnce();
    const formers: Former[] = [];
    for (const entry of planned) formers.push(await formerAt(entry, { revision, load, planning: { known, lockAt } }));
    return { formers, gone: await goneSince(revision, planned) };
  });
}

type Load = (file: string) => Promise<LoadedTemplate | undefined>;

function loadingOnce(app: App): Load {
  const loads = new Map<string, Promise<LoadedTemplate | undefined>>();
  return (file) => {
    const loading = loads.get(file) ?? loadFiles(app, [file]).then(([loaded]) => loaded);
    loads.set(file, loading);
    return loading;
  };
}

interface FormerOptions {
  readonly revision: Revision;
  readonly load: Load;
  readonly planning: { readonly known: KnownBase; readonly lockAt: (path: string) => Promise<Lock> };
}

async function formerAt({ loaded, arch }: PlannedEntry, { revision, load, planning }: FormerOptions): Promise<Former> {
  const file = revision.pathOf(loaded.file);
  if (file === undefined) return { kind: "none", reason: "its file is not in this repository" };
  if (!(await exists(file))) return { kind: "none", reason: "the template is new" };
  try {
    const former = await load(file);
    if (!former?.template.arches.includes(arch)) return { kind: "none", reason: `${arch} is new` };
    const { plan } = await planTemplate(revision.app, { ...planning, loaded: former, arch });
    return { kind: "plan", plan };
  } catch (error) {
    const { message } = expected(revision.app, error);
    const reason = `no plan at ${revision.commit.slice(0, 12)} to compare with: ${message}`;
    return { kind: "none", reason };
  }
}

/** Names of the files that `templates/` had and has not any more. */
async function goneSince({ pathOf, app }: Revision, planned: readonly PlannedEntry[]): Promise<string[]> {
  const now = new Set(planned.map(({ loaded }) => pathOf(loaded.file)));
  const folder = join(app.cwd, "templates");
  const then = await allTemplates({ cwd: app.cwd, templatesDir: folder }).catch(() => []);
  return then.filter((file) => !now.has(file)).map((file) => basename(file));
}

async function inTemporaryFolder<T>(prefix: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), prefix));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
