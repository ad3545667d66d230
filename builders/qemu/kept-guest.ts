import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { withDisposal } from "../../src/core/disposal.ts";
import { writing } from "../../src/core/file-system-error.ts";
import { ARCHES, type Arch } from "../../src/core/platform.ts";
import { imageInfo, type DiskContext } from "../../src/disk/qemu-img.ts";
import { exists } from "../../src/host/exists.ts";
import { backingFileOf } from "../../src/store/chain-links.ts";
import { ENTRY_NOTE, formatEntryNote } from "../../src/store/entry-note.ts";
import { itemPath } from "../../src/store/inventory.ts";
import type { Store } from "../../src/store/store.ts";
import { digestSchema as digest } from "../../src/core/record-schemas.ts";

/** Kind of the store's entries. */
const KEPT_KIND = "kept";
const STATE_FILE = "state.json";

/** Names of the files beside the state. */
export const KEPT_FILES = { disk: "disk.qcow2", memory: "memory.zst", firmwareVars: "firmware-vars.fd" } as const;

const keyPair = z.object({ privateKey: z.string(), publicKey: z.string() });
const stateSchema = z.object({
  schema: z.literal("kvci-build/kept-guest"),
  version: z.literal(1),
  template: z.string(),
  arch: z.enum(ARCHES),
  /** The step that failed, and of what. */
  step: z.string(),
  error: z.object({ code: z.string(), message: z.string() }),
  /** ISO 8601, UTC. */
  keptAt: z.iso.datetime(),
  /** Absent when there is the disk alone: QEMU had ended, or its memory could not be saved. */
  memory: z.object({ fingerprint: digest, digest }).optional(),
  /** What the machine is started with. */
  machine: z.object({
    memoryMiB: z.int(),
    cpus: z.int(),
    firmware: z.enum(["uefi", "bios"]),
    directBoot: z.object({ kernel: z.string(), initrd: z.string(), kernelArguments: z.string() }).optional(),
  }),
  identity: z.enum(["systemd-credentials", "nocloud"]),
  /** It was built without a network, and gets none afterwards. */
  isolated: z.boolean().optional(),
  keys: z.object({ clientKey: keyPair, hostKey: keyPair }),
});

/** What is known of a guest that a failed step left. */
export type KeptState = z.output<typeof stateSchema>;

/** A guest as a failed step left it, without a process: its disk and, where it could be had, its memory. */
export interface KeptGuest {
  readonly state: KeptState;
  /** Folder of the store's entry. */
  readonly folder: string;
}

export type KeptName = Pick<KeptState, "template" | "arch">;

/** Path of the entry relative to the store's root, as pins name it. */
export function keptItem(name: KeptName): string {
  return `entries/${KEPT_KIND}/${entryName(name)}`;
}

/** The guest kept for a template and architecture; undefined when there is none, or none that can be read. */
export async function findKeptGuest(store: Store, name: KeptName): Promise<KeptGuest | undefined> {
  const folder = store.entryPath(KEPT_KIND, entryName(name));
  if (!(await exists(join(folder, KEPT_FILES.disk)))) return undefined;
  try {
    const { data } = stateSchema.safeParse(JSON.parse(await readFile(join(folder, STATE_FILE), "utf8")));
    return data && { state: data, folder };
  } catch {
    return undefined;
  }
}

/** Every architecture that a guest of the template is kept of. */
export async function keptArches(store: Store, template: string): Promise<Arch[]> {
  const found = await Promise.all(ARCHES.map((arch) => findKeptGuest(store, { template, arch })));
  return found.flatMap((kept) => (kept ? [kept.state.arch] : []));
}

/**
 * Makes `folder`, a temporary one of this run with the guest's disk and maybe its memory, the kept guest of its template and
 * architecture; the one before goes. Keys are in the state and in the memory: both are readable by their owner alone.
 *
 * @throws {KvciError} `store-full`, `store-unusable`
 */
export async function putKeptGuest(store: Store, folder: string, keep: PutOptions): Promise<void> {
  const { state, context, signal } = keep;
  await writing(folder, async () => {
    await writeFile(join(folder, STATE_FILE), `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
    const needs = await backingItem(store, join(folder, KEPT_FILES.disk), context);
    const what = `guest that step ${state.step} of ${state.template} (${state.arch}) failed in`;
    await writeFile(join(folder, ENTRY_NOTE), formatEntryNote({ what, createdAt: state.keptAt, needs }));
    await withDisposal(await lockOf(store, state, signal), async () => {
      await remove(store, state);
      await store.adoptEntry(folder, KEPT_KIND, entryName(state));
    });
  });
}

export interface PutOptions {
  readonly state: KeptState;
  readonly context: DiskContext;
  readonly signal: AbortSignal;
}

/**
 * Removes the kept guest of a template and architecture.
 *
 * @param keptAt removes it only when it is this one, not one that was kept since.
 */
export async function dropKeptGuest(
  store: Store,
  name: KeptName,
  { signal, keptAt }: { readonly signal: AbortSignal; readonly keptAt?: string },
): Promise<void> {
  if (!(await store.hasEntry(KEPT_KIND, entryName(name)))) return;
  await withDisposal(await lockOf(store, name, signal), async () => {
    const found = await findKeptGuest(store, name);
    if (keptAt === undefined || found?.state.keptAt === keptAt) await remove(store, name);
  });
}

/** Held while an entry is exchanged or its files are opened. */
export function lockOf(store: Store, name: KeptName, signal: AbortSignal): Promise<AsyncDisposable> {
  return store.lock(`kept-${entryName(name)}`, { signal });
}

/** What the disk stands on, relative to the store's root: a layer or the base. */
async function backingItem(store: Store, disk: string, context: DiskContext): Promise<string[]> {
  const { backingFile } = await imageInfo(disk, context, "qcow2");
  if (backingFile === undefined) return [];
  return [itemPath(await backingFileOf(store.root, backingFile))];
}

/** Under its name it is gone at once and as a whole. */
async function remove(store: Store, name: KeptName): Promise<void> {
  await withDisposal(await store.temporaryFolder("kept-gone"), async ({ path }) => {
    const entry = store.entryPath(KEPT_KIND, entryName(name));
    if (await exists(entry)) await rename(entry, join(path, "guest"));
  });
}

function entryName({ template, arch }: KeptName): string {
  return `${template}-${arch}`;
}
