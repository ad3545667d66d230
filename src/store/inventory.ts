import { join } from "node:path";
import { bounded } from "../core/bounded.ts";
import { readEntryNote } from "./entry-note.ts";
import { hostFiles, READS_AT_ONCE, type FileState, type StoreFiles } from "./files.ts";
import { readLayers } from "./layer-record.ts";
import { SET_ASIDE } from "./layer-store.ts";

/** What sort of thing an item is. */
export type ItemKind = "blob" | "base" | "layer" | "warm" | "export" | "kept" | "other" | "partial" | "set-aside";

/** A thing in the store that can be listed, and removed as a whole. */
export interface Item {
  /** Relative to the store's root. */
  readonly path: string;
  readonly kind: ItemKind;
  /** Words for people. */
  readonly what: string;
  /** What it takes on the disk. */
  readonly bytes: number;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  /** Milliseconds of the epoch. */
  readonly lastUsedMs: number;
  /** Paths of the items it is of no use without. */
  readonly needs: readonly string[];
  /** Paths of the items that need it directly. */
  readonly neededBy: readonly string[];
  /** Whether it can still be used: not damaged, and what it needs is there. */
  readonly usable: boolean;
}

/** An item before its place among the others is known. */
type Found = Omit<Item, "neededBy">;
type Facts = Pick<Found, "what" | "needs" | "usable"> & { readonly createdAt?: string | undefined };
interface Place {
  readonly files: StoreFiles;
  readonly root: string;
}

const ENTRY_KINDS: Readonly<Record<string, ItemKind>> = {
  bases: "base",
  unpacked: "base",
  "local-disk": "base",
  layers: "layer",
  warm: "warm",
  exports: "export",
  kept: "kept",
};

/** What an entry is when it has no note. */
const UNNAMED: Readonly<Record<string, string>> = {
  bases: "base made from packages",
  unpacked: "unpacked download",
  "local-disk": "disk of a file on this host",
  warm: "memory of a running guest",
  exports: "layer made ready for an image",
  kept: "what a failed build left",
};

/**
 * Everything in the store that takes room and can be removed, in the order of its paths. Reads records and sizes, no disks.
 *
 * @throws {KvciError} `store-unusable`
 */
export async function inventory(root: string, files: StoreFiles = hostFiles): Promise<Item[]> {
  const place = { root, files };
  const found = [
    ...(await blobs(place)),
    ...(await entries(place)),
    ...(await others(place, { folder: "partial", kind: "partial", what: (name) => `unfinished ${name}` })),
    ...(await others(place, {
      folder: SET_ASIDE,
      kind: "set-aside",
      what: (name) => `damaged layer ${name.slice(0, 12)}`,
    })),
  ];
  return related(found);
}

/** The item that a path below the store's root belongs to. */
export function itemPath(path: string): string {
  const parts = path.split("/");
  return parts.slice(0, ["entries", "blobs"].includes(parts[0] ?? "") ? 3 : 2).join("/");
}

async function blobs(place: Place): Promise<Found[]> {
  const found: Found[] = [];
  for (const algorithm of await place.files.names(join(place.root, "blobs"))) {
    const folder = `blobs/${algorithm}`;
    found.push(
      ...(await itemsIn(place, { folder, kind: "blob" }, (name) => ({
        what: `download ${name.slice(0, 12)}`,
        needs: [],
        usable: true,
      }))),
    );
  }
  return found;
}

async function entries(place: Place): Promise<Found[]> {
  const found: Found[] = [];
  for (const name of await place.files.names(join(place.root, "entries"))) {
    const folder = `entries/${name}`;
    const kind = ENTRY_KINDS[name] ?? "other";
    const facts = kind === "layer" ? await layerFacts(place, folder) : noteFacts(place, name);
    found.push(...(await itemsIn(place, { folder, kind }, facts)));
  }
  return found;
}

async function layerFacts(place: Place, folder: string): Promise<(name: string) => Facts> {
  const layers = await readLayers(place, await place.files.names(join(place.root, folder)));
  const known = new Map(layers.map((layer) => [layer.id, layer]));
  return (name) => {
    const layer = known.get(name);
    if (!layer) return { what: `damaged layer ${name.slice(0, 12)}`, needs: [], usable: false };
    const { step, template, backing, createdAt } = layer;
    const made = step === "first boot" ? step : `step ${step}`;
    return { what: `layer of ${made} of ${template}`, needs: [itemPath(backing)], createdAt, usable: true };
  };
}

function noteFacts({ files, root }: Place, kind: string): (name: string) => Promise<Facts> {
  return async (name) => {
    const note = await readEntryNote(files, join(root, "entries", kind, name));
    return {
      what: note?.what ?? UNNAMED[kind] ?? kind,
      needs: note?.needs.map(itemPath) ?? [],
      createdAt: note?.createdAt,
      usable: true,
    };
  };
}

function others(
  place: Place,
  { folder, kind, what }: { folder: string; kind: ItemKind; what: (name: string) => string },
): Promise<Found[]> {
  return itemsIn(place, { folder, kind }, (name) => ({
    what: what(name),
    needs: [],
    usable: kind !== "set-aside",
  }));
}

async function itemsIn(
  { files, root }: Place,
  { folder, kind }: { readonly folder: string; readonly kind: ItemKind },
  facts: (name: string) => Facts | Promise<Facts>,
): Promise<Found[]> {
  const found = await bounded(
    await files.names(join(root, folder)),
    READS_AT_ONCE,
    async (name): Promise<Found | undefined> => {
      const path = `${folder}/${name}`;
      const tree = await treeState(files, join(root, path));
      // Gone since its name was read.
      if (!tree) return undefined;
      const { createdAt = new Date(tree.createdMs).toISOString(), ...rest } = await facts(name);
      return { path, kind, ...rest, createdAt, bytes: tree.diskBytes, lastUsedMs: tree.usedMs };
    },
  );
  return found.filter((item) => item !== undefined);
}

/** Size of a whole tree, and when it was used: the latest time of anything in it. */
async function treeState(
  files: StoreFiles,
  path: string,
): Promise<(Pick<FileState, "diskBytes" | "createdMs"> & { readonly usedMs: number }) | undefined> {
  const state = await files.stat(path);
  if (!state) return undefined;
  let { diskBytes, modifiedMs: usedMs } = state;
  for (const name of state.isFolder ? await files.names(path) : []) {
    const below = await treeState(files, join(path, name));
    diskBytes += below?.diskBytes ?? 0;
    usedMs = Math.max(usedMs, below?.usedMs ?? 0);
  }
  return { diskBytes, createdMs: state.createdMs, usedMs };
}

/** Adds who needs what, and takes what lacks something it needs for unusable. */
function related(found: readonly Found[]): Item[] {
  const byPath = new Map(found.map((item) => [item.path, item]));
  const neededBy = new Map<string, string[]>();
  for (const { path, needs } of found) {
    for (const need of new Set(needs)) neededBy.set(need, [...(neededBy.get(need) ?? []), path]);
  }
  const unusable = new Set<string>();
  const spoil = (path: string): void => {
    if (unusable.has(path)) return;
    unusable.add(path);
    for (const above of neededBy.get(path) ?? []) spoil(above);
  };
  for (const { path, needs, usable } of found) {
    if (!usable || needs.some((need) => !byPath.has(need))) spoil(path);
  }
  return found
    .map((item) => ({ ...item, usable: !unusable.has(item.path), neededBy: neededBy.get(item.path) ?? [] }))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
}
