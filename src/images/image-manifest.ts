import type { Digest } from "../core/digest.ts";
import { KvciError } from "../core/error.ts";
import { jsonOf } from "../core/parse-json.ts";
import type { Arch } from "../core/platform.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { indexSchema, manifestSchema, type Index, type Manifest } from "../oci/manifest.ts";
import { IMAGE_INDEX, IMAGE_MANIFEST } from "../oci/media-types.ts";

/** What a reference or a digest leads to: an image for several platforms, or for one. Docker's formats read the same. */
export type ImageDocument =
  | { readonly kind: "index"; readonly mediaType: string; readonly index: Index }
  | { readonly kind: "manifest"; readonly mediaType: string; readonly manifest: Manifest };

/** @throws {KvciError} `registry-failed` for what is neither, such as the first format of Docker's manifests. */
export function parseDocument(bytes: Uint8Array, image: string): ImageDocument {
  const value = jsonOf(Buffer.from(bytes).toString("utf8"));
  const index = indexSchema.safeParse(value);
  if (index.success) return { kind: "index", mediaType: index.data.mediaType ?? IMAGE_INDEX, index: index.data };
  const manifest = manifestSchema.safeParse(value);
  if (manifest.success) {
    const { data } = manifest;
    return { kind: "manifest", mediaType: data.mediaType ?? IMAGE_MANIFEST, manifest: data };
  }
  throw new KvciError("registry-failed", `${image}: what the registry delivered is no image manifest`, {
    hint: "Images of Docker's format of 2013 (schema 1) cannot be used: push it anew with a current tool.",
    cause: manifest.error,
  });
}

/** Config and layers, each blob once. */
export function blobsOf({ config, layers }: Manifest): readonly Descriptor[] {
  return [...new Map([config, ...layers].map((blob) => [blob.digest, blob])).values()];
}

/** Compressed bytes of an image: config and layers. */
export function imageBytes(manifest: Manifest): number {
  return blobsOf(manifest).reduce((sum, { size }) => sum + size, 0);
}

/** The manifest of an index for an architecture: for the plain one before any of its variants. */
export function manifestFor({ manifests }: Index, arch: Arch): Digest | undefined {
  const fitting = manifests.filter(({ platform }) => platform?.os === "linux" && platform.architecture === arch);
  const plain = fitting.find(({ platform }) => platform?.variant === undefined || platform.variant === "v8");
  return (plain ?? fitting[0])?.digest;
}
