import { REF_NAME, type Descriptor } from "./descriptor.ts";
import { writeLayer, type LayerOptions } from "./layer.ts";
import type { Layer } from "./layer-entries.ts";
import { prepareLayout, putManifest, writeJsonBlob } from "./layout.ts";
import type { ImageConfig, Manifest } from "./manifest.ts";
import { IMAGE_CONFIG, IMAGE_MANIFEST } from "./media-types.ts";
import type { ImagePlatform, NodeImage } from "./node-image.ts";
import { pruneBlobs } from "./prune.ts";

/** So that nothing of an image depends on when it was made, unless the caller wants it to. */
const EPOCH = "1970-01-01T00:00:00Z";

/** How a container of the image starts, and its labels. */
export interface RunConfig {
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly entrypoint?: readonly string[] | undefined;
  readonly cmd?: readonly string[] | undefined;
  readonly env?: readonly string[] | undefined;
  readonly user?: string | undefined;
  readonly workingDir?: string | undefined;
}

/** All that an image is made of. The same description and the same files give the same digest. */
export interface ImageDescription {
  readonly platform: ImagePlatform;
  /** Lowest first. */
  readonly layers: readonly Layer[];
  readonly config?: RunConfig | undefined;
  /** Of the manifest. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** Reference name in the layout's index: what follows the colon in `oci:DIR:ref`. */
  readonly ref?: string | undefined;
  /** ISO 8601, UTC; 1970-01-01T00:00:00Z unless told. */
  readonly created?: string | undefined;
  /** Modification time of all files, in seconds since 1970 (SOURCE_DATE_EPOCH); 0 unless told. */
  readonly mtimeSeconds?: number | undefined;
}

export interface WrittenImage extends NodeImage {
  readonly manifest: Manifest;
  readonly layers: readonly Descriptor[];
}

/**
 * Writes an image into an OCI layout, which is made if it is not there. It replaces an image of the same platform and
 * reference name, whose blobs are removed; other images stay. Until the very end, readers see what was there before.
 *
 * @throws {KvciError} `store-full`, `store-unusable`; `build-invalid` for a host file that cannot be read or changes;
 *   `layout-invalid` for an existing index that is damaged; `interrupted`.
 */
export async function writeImage(
  folder: string,
  image: ImageDescription,
  options: Pick<LayerOptions, "onProgress" | "signal"> = {},
): Promise<WrittenImage> {
  await prepareLayout(folder);
  const layers: Descriptor[] = [];
  for (const layer of image.layers) {
    layers.push(await writeLayer(folder, layer, { ...options, mtimeSeconds: image.mtimeSeconds ?? 0 }));
  }
  const config = await writeJsonBlob(folder, IMAGE_CONFIG, configOf(image, layers));
  const manifest = manifestOf(image, config, layers);
  const written = await writeJsonBlob(folder, IMAGE_MANIFEST, manifest);
  await putManifest(folder, indexEntry(image, written));
  await pruneBlobs(folder);
  const { platform, ref } = image;
  const sizeBytes = [written, config, ...layers].reduce((sum, { size }) => sum + size, 0);
  return { layout: folder, digest: written.digest, platform, ref, sizeBytes, manifest, layers };
}

function configOf(image: ImageDescription, layers: readonly Descriptor[]): ImageConfig {
  const created = image.created ?? EPOCH;
  return {
    ...ociPlatform(image.platform),
    created,
    config: runConfig(image.config ?? {}),
    // Layers are not compressed, so their digests are their diff ids.
    rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
    history: layers.map(() => ({ created, created_by: "kvci-build" })),
  };
}

function runConfig(config: RunConfig): Record<string, unknown> {
  return {
    Labels: config.labels,
    Entrypoint: config.entrypoint,
    Cmd: config.cmd,
    Env: config.env,
    User: config.user,
    WorkingDir: config.workingDir,
  };
}

function manifestOf({ annotations }: ImageDescription, config: Descriptor, layers: readonly Descriptor[]): Manifest {
  return {
    schemaVersion: 2,
    mediaType: IMAGE_MANIFEST,
    config,
    layers: [...layers],
    ...(annotations === undefined ? {} : { annotations: { ...annotations } }),
  };
}

function indexEntry({ platform, ref }: ImageDescription, manifest: Descriptor): Descriptor {
  return {
    ...manifest,
    platform: ociPlatform(platform),
    ...(ref === undefined ? {} : { annotations: { [REF_NAME]: ref } }),
  };
}

function ociPlatform({ os, arch, variant }: ImagePlatform): { os: string; architecture: string; variant?: string } {
  return { os, architecture: arch, ...(variant === undefined ? {} : { variant }) };
}
