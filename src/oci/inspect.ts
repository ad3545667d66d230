import { createReadStream } from "node:fs";
import { join } from "node:path";
import type { Digest } from "../core/digest.ts";
import { KvciError, messageOf } from "../core/error.ts";
import type { Descriptor } from "./descriptor.ts";
import { READ_BYTES, withLayerTar } from "./layer-source.ts";
import { chainPart, LAYERED_DISK, type ChainPart } from "./layered-disk.ts";
import { layerCompression } from "./media-types.ts";
import type { ImagePlatform } from "./node-image.ts";
import { blobFile, hashFor, startReading, type Reading } from "./read-blob.ts";
import { scanLayout, type LayoutImage } from "./read-layout.ts";
import { listTar, type TarFile } from "./tar-list.ts";
import { checkSignal } from "./check-signal.ts";

export interface LayerReport {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly annotations: Readonly<Record<string, string>>;
  readonly files: readonly TarFile[];
  /** In the image of a layered disk: what the file of this layer holds. */
  readonly chain?: ChainPart;
}

export interface ImageReport {
  readonly digest: Digest;
  readonly ref?: string | undefined;
  readonly mediaType: string;
  readonly platform: ImagePlatform;
  readonly created?: string | undefined;
  /** Manifest, config and layers, in bytes. */
  readonly sizeBytes: number;
  readonly config: { readonly digest: Digest; readonly mediaType: string; readonly sizeBytes: number };
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly layers: readonly LayerReport[];
}

export interface LayoutReport {
  readonly folder: string;
  /** Whether the bytes of every blob were checked against its digest. */
  readonly verified: boolean;
  readonly images: readonly ImageReport[];
  /** Entries of the index that are not images. */
  readonly others: readonly Descriptor[];
}

export interface InspectOptions {
  /** Reads every byte and checks its digest. Without it, documents and sizes are checked, and tars are listed. */
  readonly verify?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Says everything about the images in a layout: documents, sizes, labels, and the files of every layer.
 *
 * @throws {KvciError} `layout-invalid` with everything that is wrong as evidence; `interrupted`.
 */
export async function inspectLayout(folder: string, options: InspectOptions = {}): Promise<LayoutReport> {
  const { verify = false, signal } = options;
  const reading = startReading(folder);
  const { images, others } = await scanLayout(reading);
  if (verify) await verifyBlobs(reading, signal);
  const listings = new Map<Digest, readonly TarFile[]>();
  for (const layer of images.flatMap(({ manifest }) => manifest.layers)) {
    checkSignal(signal);
    if (!listings.has(layer.digest)) listings.set(layer.digest, await listLayer(reading, layer, signal));
  }
  checkSignal(signal);
  for (const image of images) checkDiffIds(reading, image);
  reading.problems.throwIfAny();
  return { folder, verified: verify, images: images.map((image) => reportOf(image, listings)), others };
}

/** Reads blobs (all that were found, unless told which) and compares their digests; what is wrong goes to the problems. */
export async function verifyBlobs(
  { folder, problems, blobs }: Reading,
  signal: AbortSignal | undefined,
  digests: Iterable<Digest> = blobs.keys(),
): Promise<void> {
  for (const digest of digests) {
    const file = blobFile(digest);
    const hash = hashFor(digest);
    try {
      for await (const chunk of createReadStream(join(folder, file), { highWaterMark: READ_BYTES })) {
        checkSignal(signal);
        hash.update(chunk as Buffer);
      }
    } catch (error) {
      if (error instanceof KvciError) throw error;
      problems.add(file, messageOf(error));
      continue;
    }
    if (!digest.endsWith(`:${hash.digest("hex")}`)) problems.add(file, "its bytes do not have the digest of its name");
  }
}

async function listLayer(
  { folder, problems, blobs }: Reading,
  layer: Descriptor,
  signal: AbortSignal | undefined,
): Promise<readonly TarFile[]> {
  const compression = layerCompression(layer.mediaType);
  // What is missing, or is a link or a pipe, is among the problems already and must not be opened.
  if (compression === undefined || !blobs.has(layer.digest)) return [];
  const file = blobFile(layer.digest);
  const blob = { path: join(folder, file), sizeBytes: layer.size, compression, signal };
  try {
    const { files, problems: found } = await withLayerTar(blob, (source) => listTar(source));
    for (const problem of found) problems.add(file, problem);
    return files;
  } catch (error) {
    problems.add(file, messageOf(error));
    return [];
  }
}

/** An uncompressed layer's diff id is its digest. */
function checkDiffIds({ problems }: Reading, { manifest, config }: LayoutImage): void {
  for (const [index, { digest, mediaType }] of manifest.layers.entries()) {
    const diffId = config.rootfs.diff_ids[index];
    if (layerCompression(mediaType) !== "none" || diffId === undefined || diffId === digest) continue;
    problems.add(blobFile(manifest.config.digest), `diff id ${String(index)} is not that of layer ${digest}`);
  }
}

function reportOf(image: LayoutImage, listings: ReadonlyMap<Digest, readonly TarFile[]>): ImageReport {
  const { digest, ref, platform, sizeBytes, descriptor, manifest, config } = image;
  return {
    digest,
    ref,
    mediaType: descriptor.mediaType,
    platform,
    created: config.created,
    sizeBytes,
    config: blobReport(manifest.config),
    labels: config.config?.Labels ?? {},
    annotations: manifest.annotations ?? {},
    layers: manifest.layers.map((layer) => ({
      ...blobReport(layer),
      annotations: layer.annotations ?? {},
      files: listings.get(layer.digest) ?? [],
      ...chainOf(image, layer),
    })),
  };
}

function chainOf({ manifest }: LayoutImage, { annotations = {} }: Descriptor): Pick<LayerReport, "chain"> {
  const chain = manifest.annotations?.[LAYERED_DISK] === undefined ? undefined : chainPart(annotations);
  return chain ? { chain } : {};
}

function blobReport({ digest, mediaType, size }: Descriptor): ImageReport["config"] {
  return { digest, mediaType, sizeBytes: size };
}
