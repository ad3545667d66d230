import { readFile, rm } from "node:fs/promises";
import { bounded } from "../core/bounded.ts";
import { sha256, shortDigest, type Digest } from "../core/digest.ts";
import { Disposer, withDisposal } from "../core/disposal.ts";
import { KvciError } from "../core/error.ts";
import type { PlannedImage } from "../core/op.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { blobsOf, parseDocument, type ImageDocument } from "./image-manifest.ts";
import { blobFetcher, type BlobFetcher, type FetchContext, type ImageSource } from "./image-source.ts";

/** What one image is made of; all of it is in the store. */
export interface FetchedImage {
  readonly image: PlannedImage;
  /** What `image.digest` is: an index or a manifest. Its size is that of the document. */
  readonly top: Pick<Descriptor, "mediaType" | "digest" | "size">;
  /** Every blob, each once: index, manifest, configuration, layers. */
  readonly blobs: readonly StoredBlob[];
  /** Of configuration and layers: what the image itself takes, compressed. */
  readonly bytes: number;
}

export interface StoredBlob {
  readonly digest: Digest;
  readonly bytes: number;
}

export interface FetchOptions extends FetchContext {
  readonly source: ImageSource;
  /** skopeo fetches six layers at once for each. Default: 4. */
  readonly imagesAtOnce?: number | undefined;
  /** Called when all manifests are known and before any layer is fetched; what it throws ends the fetch. */
  readonly beforeBlobs?: ((images: readonly FetchedImage[]) => Promise<void>) | undefined;
}

const IMAGES_AT_ONCE = 4;

/**
 * Brings all blobs of images into the store, those that it does not have: first every manifest, then configurations and
 * layers. Two builds that want the same blob fetch it once. What came stays, whatever ends the rest.
 *
 * @throws {KvciError} `image-missing`, `registry-denied`, `registry-failed`, `digest-mismatch`, each naming its image;
 *   `program-missing`, `store-full`, `store-unusable`, `interrupted`
 */
export async function fetchImages(
  images: readonly PlannedImage[],
  options: FetchOptions,
): Promise<readonly FetchedImage[]> {
  const { imagesAtOnce = IMAGES_AT_ONCE } = options;
  const fetcher = blobFetcher(options.source, options);
  const wanted = await bounded(images, imagesAtOnce, (image) => readImage(image, { ...options, fetcher }));
  const found = wanted.map(({ fetched }) => fetched);
  await options.beforeBlobs?.(found);
  const progress = progressOf(found, options);
  await bounded(wanted, imagesAtOnce, async (image) => {
    await fetchBlobs(image, { ...options, fetcher });
    progress(image.fetched);
  });
  return found;
}

type Context = FetchOptions & { readonly fetcher: BlobFetcher };

interface WantedImage {
  readonly fetched: FetchedImage;
  readonly manifest: Extract<ImageDocument, { kind: "manifest" }>["manifest"];
}

/** Reads index and manifest of an image, from the store where it has them. */
async function readImage(image: PlannedImage, context: Context): Promise<WantedImage> {
  const { ref, digest } = image;
  context.signal.throwIfAborted();
  const top = await readDocument(ref, digest, context);
  const own = image.manifest === digest ? top : await readDocument(ref, image.manifest, context);
  if (own.document.kind === "index") throw noManifest(image);
  const { manifest } = own.document;
  const parts = blobsOf(manifest);
  const documents = image.manifest === digest ? [top] : [top, own];
  return {
    manifest,
    fetched: {
      image,
      top: { mediaType: top.document.mediaType, digest, size: top.bytes },
      blobs: [
        ...documents.map((each) => ({ digest: each.digest, bytes: each.bytes })),
        ...parts.map((part) => ({ digest: part.digest, bytes: part.size })),
      ],
      bytes: parts.reduce((sum, { size }) => sum + size, 0),
    },
  };
}

async function readDocument(
  ref: string,
  digest: Digest,
  { store, fetcher }: Context,
): Promise<{ readonly digest: Digest; readonly bytes: number; readonly document: ImageDocument }> {
  const path = store.blobPath(digest);
  if (!(await store.hasBlob(digest))) await fetcher.document(ref, digest);
  let bytes = await readFile(path);
  if (sha256(bytes) !== digest) {
    // Damaged since it came; documents are small, so this is looked at every time.
    await rm(path, { force: true });
    await fetcher.document(ref, digest);
    bytes = await readFile(path);
  }
  return { digest, bytes: bytes.byteLength, document: parseDocument(bytes, ref) };
}

function noManifest({ ref, manifest }: PlannedImage): KvciError {
  return new KvciError("registry-failed", `${ref}: ${shortDigest(manifest)} is an index, not one platform's manifest`, {
    hint: "Run `kvci-build lock` to resolve it anew.",
  });
}

/** Fetches what the store does not have, alone for each blob: whoever wants the same waits and finds it there. */
async function fetchBlobs({ fetched, manifest }: WantedImage, context: Context): Promise<void> {
  const { store, signal, fetcher } = context;
  const { ref, manifest: manifestDigest } = fetched.image;
  const missing = await missingOf(blobsOf(manifest), context);
  if (missing.length === 0) return;
  await withDisposal(new Disposer(), async (locks) => {
    // In one order for all, so that no two can wait for each other.
    for (const digest of missing.map((blob) => blob.digest).sort()) {
      locks.use(await store.lock(`download-${digest}`, { signal }));
    }
    const still = await missingOf(missing, context);
    signal.throwIfAborted();
    if (still.length > 0) await fetcher.blobs({ ref, manifestDigest, manifest }, still);
  });
}

async function missingOf(blobs: readonly Descriptor[], { store }: Context): Promise<Descriptor[]> {
  const missing: Descriptor[] = [];
  for (const blob of blobs) if (!(await store.hasBlob(blob.digest))) missing.push(blob);
  return missing;
}

/** Tells how much of all blobs is there, whenever an image is complete. */
function progressOf(images: readonly FetchedImage[], { journal }: FetchOptions): (image: FetchedImage) => void {
  const totalBytes = uniqueBytes(images);
  const there: FetchedImage[] = [];
  return (image) => {
    there.push(image);
    journal.emit({ type: "transfer", name: "container images", doneBytes: uniqueBytes(there), totalBytes });
  };
}

/** What images take together, what they share counted once. */
export function uniqueBytes(images: readonly FetchedImage[]): number {
  const sizes = new Map(images.flatMap(({ blobs }) => blobs.map(({ digest, bytes }) => [digest, bytes])));
  return [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
}
