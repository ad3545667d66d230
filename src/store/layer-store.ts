import { randomBytes } from "node:crypto";
import { dirname, isAbsolute, join, relative, sep } from "node:path";
import { KvciError } from "../core/error.ts";
import { errnoOf, writing } from "../core/file-system-error.ts";
import { chainLink, linkTo, neighbourName, outsideName, sweepLinks } from "./chain-links.ts";
import { hostFiles, type StoreFiles } from "./files.ts";
import { longestChain } from "./layer-chain.ts";
import {
  formatLayerRecord,
  idPrefix,
  LAYER_DISK,
  LAYER_RECORD,
  layerDisk,
  layerFolder,
  LAYERS,
  readCutLayers,
  readLayers,
} from "./layer-record.ts";
import type { Draft, Layer, LayerFacts, LayerRecord, LayerStore, WantedLayer } from "./layer.ts";
import { checkFile, hostBootId, isRemembered, remember, type CheckPorts } from "./remembered-checks.ts";
import type { Store } from "./store.ts";

/** Where damaged layers are moved to, relative to the store's root. */
export const SET_ASIDE = "set-aside";

/** What of the world a test replaces. */
export interface LayerStoreOptions {
  /** 8 hexadecimal digits. */
  readonly random?: () => string;
  /** Milliseconds of the epoch. */
  readonly now?: () => number;
  /** Name of this boot of the host. */
  readonly bootId?: () => Promise<string | undefined>;
  readonly files?: StoreFiles;
}

interface Ports extends CheckPorts {
  readonly random: () => string;
}

/** The layers in a store's folder: `entries/layers/<id>/` with the disk and its record. */
export function fileLayerStore({ root }: Pick<Store, "root">, options: LayerStoreOptions = {}): LayerStore {
  const ports: Ports = {
    root,
    files: options.files ?? hostFiles,
    random: options.random ?? (() => randomBytes(4).toString("hex")),
    now: options.now ?? Date.now,
    bootId: options.bootId ?? hostBootId(),
  };
  const ids = (): Promise<readonly string[]> => ports.files.names(join(root, LAYERS));
  const idsOf = async (wanted: readonly Pick<WantedLayer, "key">[]): Promise<readonly string[]> => {
    const prefixes = new Set(wanted.map(({ key }) => idPrefix(key)));
    return (await ids()).filter((id) => prefixes.has(id.slice(0, id.indexOf(".") + 1)));
  };
  return {
    chain: async (wanted, { now }) => longestChain(wanted, await readLayers(ports, await idsOf(wanted)), now),
    cut: async (wanted) => readCutLayers(ports, await idsOf(wanted)),
    isIntact: (layer, signal) => isIntact(ports, layer, signal),
    setAside: (layer) => writing(root, () => setAside(ports, layer)),
    draft: (below) => writing(root, () => draft(ports, below)),
    link: (layers) => writing(root, () => linkAll(ports, layers)),
    adopt: (made, facts, signal) => writing(root, () => adopt(ports, { draft: made, facts }, signal)),
    touch: (layers) => touch(ports, layers),
    list: async () => readLayers(ports, await ids()),
  };
}

async function isIntact(ports: Ports, layer: Layer, signal: AbortSignal): Promise<boolean> {
  const before = await ports.files.stat(layer.path);
  if (before?.bytes !== layer.bytes) return false;
  if (await isRemembered(ports, layer.id, before)) return true;
  if ((await digestOf(ports, layer.path, signal)) !== layer.digest) return false;
  // Whoever wrote to it meanwhile is not vouched for.
  const after = await ports.files.stat(layer.path);
  if (after?.identity === before.identity) await remember(ports, layer.id, after);
  return true;
}

/** Undefined for bytes that the disk no longer gives back. */
async function digestOf({ files }: Ports, path: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    return await files.digest(path, signal);
  } catch (error) {
    const lost = error instanceof KvciError && ["EIO", "ENOENT"].includes(errnoOf(error.cause) ?? "");
    if (lost) return undefined;
    throw error;
  }
}

async function setAside({ files, root, now }: Ports, { id }: Pick<Layer, "id">): Promise<string> {
  const folder = join(root, SET_ASIDE);
  const path = join(folder, `${id}-${new Date(now()).toISOString().replaceAll(/[-:]|\.\d+/g, "")}`);
  await files.remove(join(root, checkFile(id)));
  await files.makeFolder(folder);
  await files.flush(root);
  try {
    await files.rename(join(root, layerFolder(id)), path);
  } catch (error) {
    // Another build found the damage, too.
    if (errnoOf(error) === "ENOENT") return path;
    throw error;
  }
  await files.flush(folder);
  await files.flush(join(root, LAYERS));
  return path;
}

async function draft(
  ports: Ports,
  { key, parent, basePath, folder }: Parameters<LayerStore["draft"]>[0],
): ReturnType<LayerStore["draft"]> {
  const { root, files } = ports;
  const backing = parent ? layerDisk(parent.id) : inside(root, basePath);
  if (backing === undefined) throw misplaced("what a layer stands on", basePath);
  if (inside(root, folder) === undefined) throw misplaced("the folder of a draft", folder);
  const id = `${idPrefix(key)}${ports.random()}`;
  const path = join(folder, LAYER_DISK);
  // A link always leads to something, or it would be swept.
  await files.write(path, "");
  await linkTo(ports, id, path);
  const backingName = parent ? neighbourName(parent.id) : outsideName(root, basePath);
  return { id, key, parent, path, link: join(root, chainLink(id)), backingName, backing };
}

/** The path relative to the root; undefined when it is outside. */
function inside(root: string, path: string): string | undefined {
  const way = relative(root, path);
  return way === "" || way === ".." || way.startsWith(`..${sep}`) || isAbsolute(way) ? undefined : way;
}

function misplaced(what: string, path: string): KvciError {
  return new KvciError("internal", `${what} is at ${path}, outside the store`, { hint: "Report this." });
}

async function adopt(
  ports: Ports,
  { draft: made, facts }: { readonly draft: Draft; readonly facts: LayerFacts },
  signal: AbortSignal,
): Promise<Layer> {
  const { files, root } = ports;
  const folder = dirname(made.path);
  await files.protect(made.path);
  await files.flush(made.path);
  const record = await recordOf(ports, made, { facts, signal });
  await files.write(join(folder, LAYER_RECORD), formatLayerRecord(record));
  await files.flush(join(folder, LAYER_RECORD));
  await files.flush(folder);
  await files.makeFolder(join(root, LAYERS));
  await files.flush(join(root, "entries"));
  signal.throwIfAborted();
  await files.rename(folder, join(root, layerFolder(made.id)));
  await files.flush(join(root, LAYERS));
  const path = join(root, layerDisk(made.id));
  await linkTo(ports, made.id, path);
  const state = await files.stat(path);
  if (state) await remember(ports, made.id, state);
  return { ...record, path, link: made.link };
}

async function recordOf(
  { files, now }: Ports,
  { id, key, parent, path, backing }: Draft,
  { facts, signal }: { readonly facts: LayerFacts; readonly signal: AbortSignal },
): Promise<LayerRecord> {
  const digest = await files.digest(path, signal);
  return {
    schema: "kvci-build/layer",
    version: 1,
    id,
    key,
    ...(parent && { parent: parent.id }),
    backing,
    digest,
    bytes: (await files.stat(path))?.bytes ?? 0,
    createdAt: new Date(now()).toISOString(),
    ...facts,
  };
}

/** Each build starts here, so what others left behind goes on the way. */
async function linkAll(ports: Ports, layers: readonly Layer[]): Promise<void> {
  await sweepLinks(ports);
  for (const { id, path } of layers) await linkTo(ports, id, path);
}

/** Who may not write the store, or comes after a removal, notes nothing. */
const NOT_NOTED: readonly string[] = ["EROFS", "EPERM", "EACCES", "ENOENT"];

async function touch({ files, root, now }: Ports, layers: readonly Layer[]): Promise<void> {
  for (const { id } of layers) {
    try {
      await files.touch(join(root, layerFolder(id), LAYER_RECORD), now());
    } catch (error) {
      if (!NOT_NOTED.includes(errnoOf(error) ?? "")) throw error;
    }
  }
}
