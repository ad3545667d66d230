import { REF_NAME, type Descriptor } from "./descriptor.ts";
import {
  configSchema,
  indexSchema,
  layoutFileSchema,
  manifestSchema,
  type ImageConfig,
  type Manifest,
} from "./manifest.ts";
import { IMAGE_CONFIG, IMAGE_INDEX, IMAGE_MANIFEST } from "./media-types.ts";
import type { ImagePlatform, NodeImage } from "./node-image.ts";
import { blobFile, hasBlob, readJsonBlob, readJsonFile, startReading, type Reading } from "./read-blob.ts";

/** Indexes may hold indexes; more than a few deep is no image anybody made. */
const MAX_INDEX_DEPTH = 4;
/** Nested indexes that name each other many times over would otherwise keep us reading for ever. */
const MAX_MANIFESTS = 1000;

/** An image as its layout describes it. */
export interface LayoutImage extends NodeImage {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
}

export interface Layout {
  readonly folder: string;
  readonly images: readonly LayoutImage[];
  /** What the index lists beside images, such as signatures: checked for size, not understood. */
  readonly others: readonly Descriptor[];
}

/**
 * Reads a layout's documents (index, manifests, configs), checks their digests and that every blob is there in its size.
 *
 * @throws {KvciError} `layout-invalid` with everything that is wrong, not only the first.
 */
export async function readLayout(folder: string): Promise<Layout> {
  const reading = startReading(folder);
  const layout = await scanLayout(reading);
  reading.problems.throwIfAny();
  return layout;
}

/** `readLayout` that goes on past problems: what could be read is returned, the rest is in `reading.problems`. */
export async function scanLayout(reading: Reading): Promise<Layout> {
  const { folder } = reading;
  await readJsonFile(reading, "oci-layout", layoutFileSchema);
  const index = await readJsonFile(reading, "index.json", indexSchema);
  const images: LayoutImage[] = [];
  const others: Descriptor[] = [];
  let visited = 0;
  const visit = async (descriptors: readonly Descriptor[], depth: number): Promise<void> => {
    for (const descriptor of descriptors) {
      if ((visited += 1) > MAX_MANIFESTS) {
        return reading.problems.add("index.json", `leads to more than ${String(MAX_MANIFESTS)} manifests`);
      }
      if (descriptor.mediaType === IMAGE_INDEX) await visitIndex(descriptor, depth);
      else await visitManifest(descriptor);
    }
  };
  const visitIndex = async (descriptor: Descriptor, depth: number): Promise<void> => {
    if (depth === MAX_INDEX_DEPTH) return reading.problems.add(blobFile(descriptor.digest), "is nested too deep");
    const nested = await readJsonBlob(reading, descriptor, indexSchema);
    await visit(nested?.manifests.map((child) => inheritRef(child, descriptor)) ?? [], depth + 1);
  };
  const visitManifest = async (descriptor: Descriptor): Promise<void> => {
    const found = await readManifest(reading, descriptor);
    if (found === "other") others.push(descriptor);
    else if (found) images.push(found);
  };
  await visit(index?.manifests ?? [], 0);
  return { folder, images, others };
}

/** A tag on a multi-platform index names each of its images. */
function inheritRef(child: Descriptor, parent: Descriptor): Descriptor {
  const ref = parent.annotations?.[REF_NAME];
  return ref === undefined ? child : { ...child, annotations: { [REF_NAME]: ref, ...child.annotations } };
}

async function readManifest(reading: Reading, descriptor: Descriptor): Promise<LayoutImage | "other" | undefined> {
  if (descriptor.mediaType !== IMAGE_MANIFEST) {
    await hasBlob(reading, descriptor);
    return "other";
  }
  const manifest = await readJsonBlob(reading, descriptor, manifestSchema);
  if (!manifest) return undefined;
  for (const layer of manifest.layers) await hasBlob(reading, layer);
  if (manifest.config.mediaType !== IMAGE_CONFIG) {
    await hasBlob(reading, manifest.config);
    return "other";
  }
  const config = await readJsonBlob(reading, manifest.config, configSchema);
  if (!config) return undefined;
  checkFit(reading, { descriptor, manifest, config });
  return {
    layout: reading.folder,
    digest: descriptor.digest,
    ref: descriptor.annotations?.[REF_NAME],
    platform: platformOf(config),
    sizeBytes: [descriptor, manifest.config, ...manifest.layers].reduce((sum, { size }) => sum + size, 0),
    descriptor,
    manifest,
    config,
  };
}

/** What each document says alone is right; here is what they must say alike. */
function checkFit(
  { problems }: Reading,
  { descriptor, manifest, config }: Pick<LayoutImage, "descriptor" | "manifest" | "config">,
): void {
  const file = blobFile(manifest.config.digest);
  const [diffIds, layers] = [config.rootfs.diff_ids.length, manifest.layers.length];
  if (diffIds !== layers) problems.add(file, `has ${String(diffIds)} diff ids for ${String(layers)} layers`);
  const { platform } = descriptor;
  if (platform && (platform.os !== config.os || platform.architecture !== config.architecture)) {
    problems.add(
      file,
      `is for ${config.os}/${config.architecture}, the index says ${platform.os}/${platform.architecture}`,
    );
  }
}

function platformOf({ os, architecture, variant }: ImageConfig): ImagePlatform {
  return { os, arch: architecture, ...(variant === undefined ? {} : { variant }) };
}
