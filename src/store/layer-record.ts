import { join } from "node:path";
import { z } from "zod";
import { bounded } from "../core/bounded.ts";
import type { Digest } from "../core/digest.ts";
import type { PlannedOp } from "../core/op.ts";
import { chainLink } from "./chain-links.ts";
import { READS_AT_ONCE, type StoreFiles } from "./files.ts";
import type { Layer, LayerRecord } from "./layer.ts";
import { digestSchema as digest } from "../core/record-schemas.ts";
import { jsonOf } from "../core/parse-json.ts";

/** Where layers are, relative to the store's root. */
export const LAYERS = "entries/layers";
export const LAYER_DISK = "layer.qcow2";
export const LAYER_RECORD = "layer.json";

const count = z.number().min(0);
const id = z.string().regex(/^[0-9a-f]{64,128}\.[0-9a-f]{8}$/);

const layerRecord = z.object({
  schema: z.literal("kvci-build/layer"),
  version: z.literal(1),
  id,
  key: digest,
  parent: id.optional(),
  backing: z.string().regex(/^(?!\/)(?!.*(?:^|\/)\.\.(?:\/|$))./, "a path inside the store"),
  digest,
  bytes: count,
  virtualBytes: count,
  step: z.string(),
  // They are shown and compared, never executed, and newer versions may know more of them.
  ops: z.array(z.custom<PlannedOp>((value) => typeof value === "object" && value !== null)),
  template: z.string(),
  createdAt: z.iso.datetime(),
  durationMs: count,
});

/** Path of a layer's folder, relative to the store's root. */
export function layerFolder(layerId: string): string {
  return `${LAYERS}/${layerId}`;
}

/** Path of a layer's disk, relative to the store's root. */
export function layerDisk(layerId: string): string {
  return `${layerFolder(layerId)}/${LAYER_DISK}`;
}

/** What the ids of all layers with that key begin with. */
export function idPrefix(key: Digest): string {
  return `${key.slice(key.indexOf(":") + 1)}.`;
}

/** The record as it is written: JSON, one line end. */
export function formatLayerRecord(record: LayerRecord): string {
  return `${JSON.stringify(record, null, 2)}\n`;
}

/** Undefined unless the text is the record of the layer `layerId`, whole and consistent. */
function parseLayerRecord(text: string, layerId: string): LayerRecord | undefined {
  const { data } = layerRecord.safeParse(jsonOf(text));
  if (data?.id !== layerId || !layerId.startsWith(idPrefix(data.key))) return undefined;
  if (data.parent !== undefined && data.backing !== layerDisk(data.parent)) return undefined;
  return data;
}

/**
 * The layers of those ids that can be used as far as their records tell: readable, the disk there and as long as it was,
 * the base it stands on there. Reads no disks.
 */
export async function readLayers(
  { files, root }: { readonly files: StoreFiles; readonly root: string },
  ids: readonly string[],
): Promise<Layer[]> {
  const found = await bounded(ids, READS_AT_ONCE, async (layerId) => {
    const layer = await readLayer({ files, root }, layerId);
    if (!layer || !(await isWhole(files, layer))) return undefined;
    if (layer.parent === undefined && !(await files.stat(join(root, layer.backing)))) return undefined;
    return layer;
  });
  return found.filter((layer) => layer !== undefined);
}

/** The layers of those ids whose disk is missing, or not as long as it was. */
export async function readCutLayers(
  { files, root }: { readonly files: StoreFiles; readonly root: string },
  ids: readonly string[],
): Promise<Layer[]> {
  const found = await bounded(ids, READS_AT_ONCE, async (layerId) => {
    const layer = await readLayer({ files, root }, layerId);
    return layer && !(await isWhole(files, layer)) ? layer : undefined;
  });
  return found.filter((layer) => layer !== undefined);
}

async function readLayer(
  { files, root }: { readonly files: StoreFiles; readonly root: string },
  layerId: string,
): Promise<Layer | undefined> {
  const text = await files.read(join(root, layerFolder(layerId), LAYER_RECORD));
  const record = text === undefined ? undefined : parseLayerRecord(text, layerId);
  return record && { ...record, path: join(root, layerDisk(layerId)), link: join(root, chainLink(layerId)) };
}

async function isWhole(files: StoreFiles, { path, bytes }: Layer): Promise<boolean> {
  return (await files.stat(path))?.bytes === bytes;
}
