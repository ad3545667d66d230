import type { ImageDisk } from "../core/builder.ts";
import { canonicalJson } from "../core/canonical-json.ts";
import { namesOf } from "../core/image-reference.ts";
import { REF_NAME } from "../oci/descriptor.ts";
import { IMAGE_INDEX } from "../oci/media-types.ts";
import type { FetchedImage, StoredBlob } from "./fetch-images.ts";
import { writeTarDisk, type DiskContext } from "./tar-disk.ts";

/** By this name containerd lists an image that it imports; `REF_NAME` is what everybody else looks for. */
const CONTAINERD_NAME = "io.containerd.image.name";

/**
 * Writes a raw disk that is an OCI archive: `oci-layout`, `index.json` with every image under all its names, every blob once.
 * Equal images make equal bytes. It lies in the store's temporary folder until disposal.
 *
 * @throws {KvciError} `digest-mismatch` for a blob of the store that is damaged, which is removed; `store-full`,
 *   `store-unusable`, `interrupted`
 */
export async function writeImageDisk(images: readonly FetchedImage[], context: DiskContext): Promise<ImageDisk> {
  const blobs = uniqueBlobs(images);
  const totalBytes = blobs.reduce((sum, { bytes }) => sum + bytes, 0);
  const file = await writeTarDisk({ ...context, totalBytes }, async (disk) => {
    await disk.small("oci-layout", json({ imageLayoutVersion: "1.0.0" }));
    await disk.small("index.json", json(indexOf(images)));
    for (const blob of blobs) await disk.blob(`blobs/${blob.digest.replace(":", "/")}`, blob);
  });
  return { ...file, form: "archive" };
}

/** Every blob of all images, once. */
export function uniqueBlobs(images: readonly FetchedImage[]): readonly StoredBlob[] {
  return [...new Map(images.flatMap(({ blobs }) => blobs).map((blob) => [blob.digest, blob])).values()];
}

function json(value: unknown): Buffer {
  return Buffer.from(canonicalJson(value), "utf8");
}

/** Every image once per name, sorted by name: what the runtime lists when it has imported the archive. */
function indexOf(images: readonly FetchedImage[]): unknown {
  const named = images.flatMap(({ image, top }) => namesOf(image).map((name) => [name, top] as const));
  const entries = [...new Map(named)].sort(([a], [b]) => (a < b ? -1 : 1));
  const manifests = entries.map(([name, { mediaType, digest, size }]) => ({
    mediaType,
    digest,
    size,
    annotations: { [CONTAINERD_NAME]: name, [REF_NAME]: name },
  }));
  return { schemaVersion: 2, mediaType: IMAGE_INDEX, manifests };
}
