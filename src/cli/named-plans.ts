import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { packagesBase } from "../../builders/packages/packages-base.ts";
import { WARM_KIND } from "../../builders/qemu/warm-states.ts";
import type { PackagesBase } from "../core/base.ts";
import type { Environment } from "../core/environment.ts";
import { silentJournal } from "../core/journal.ts";
import type { Arch } from "../core/platform.ts";
import { openStore } from "../store/file-store.ts";
import { fileLayerStore } from "../store/layer-store.ts";
import type { App } from "./app.ts";
import type { StatusPorts } from "./plan-status.ts";
import { loadNamed, planTemplate, type KnownBase, type PlannedTemplate } from "./plans.ts";
import { preferredArch } from "./preferred-arch.ts";

/** Loads and plans templates by their names, in that order. */
export async function planNamed(
  app: App,
  names: readonly string[],
  options: { readonly arch: Arch | undefined; readonly known: KnownBase },
): Promise<PlannedTemplate[]> {
  const planned: PlannedTemplate[] = [];
  for (const name of names) {
    const loaded = await loadNamed(app, name);
    const arch = options.arch ?? preferredArch(loaded.template.arches, process.arch);
    planned.push(await planTemplate(app, { loaded, arch, known: options.known }));
  }
  return planned;
}

/** Says which bases made from packages the store has. */
export async function knownBases(app: App, environment: Environment): Promise<KnownBase> {
  const store = await openStore(app.storeRoot, { runId: "plan", description: "plan" });
  const bases = packagesBase({ store, journal: silentJournal, signal: app.signal, environment });
  return (image: PackagesBase, arch: Arch) => bases.known(image, arch);
}

/** What a plan's status is read from. */
export function statusPorts(app: App, use: StatusUse = {}): StatusPorts {
  const root = app.storeRoot;
  const { out, cache = true, warm = true } = use;
  return {
    root,
    layers: fileLayerStore({ root }),
    now: app.now(),
    ...(out === undefined || !cache ? {} : { out: resolve(app.cwd, out) }),
    cache,
    ...(warm ? { hasWarmState: ({ id }) => hasWarmState(root, id) } : {}),
  };
}

/** What of earlier builds is to be made use of. */
export interface StatusUse {
  readonly out?: string;
  readonly cache?: boolean;
  readonly warm?: boolean;
}

const warmNote = z.object({ needs: z.array(z.string()) });

/** Whether there is a warm state of a layer; whether it fits this host's QEMU is seen when it is restored. */
async function hasWarmState(root: string, layerId: string): Promise<boolean> {
  const folder = join(root, "entries", WARM_KIND);
  for (const name of await readdir(folder).catch(() => [])) {
    const needs = await neededBy(join(folder, name, "entry.json"));
    if (needs.includes(`entries/layers/${layerId}`)) return true;
  }
  return false;
}

/** Nothing, where that cannot be read: it is for an estimate only. */
async function neededBy(file: string): Promise<readonly string[]> {
  try {
    return warmNote.parse(JSON.parse(await readFile(file, "utf8"))).needs;
  } catch {
    return [];
  }
}
