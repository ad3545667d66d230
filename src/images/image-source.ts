import { randomBytes } from "node:crypto";
import { link, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { download, type DownloadTuning } from "../base/download.ts";
import { bounded } from "../core/bounded.ts";
import { sha256, type Digest } from "../core/digest.ts";
import { KvciError } from "../core/error.ts";
import { errnoOf, writing } from "../core/file-system-error.ts";
import { silentJournal, type Journal } from "../core/journal.ts";
import { exists } from "../host/exists.ts";
import { algorithmOf, digestOfFile } from "../host/file-digest.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Manifest } from "../oci/manifest.ts";
import { IMAGE_CONFIG } from "../oci/media-types.ts";
import type { Store } from "../store/store.ts";
import { atDigest } from "../core/image-reference.ts";
import type { RegistryAccess } from "./registries-conf.ts";
import { wrongBytes } from "./registry-error.ts";
import { copyBlobs, rawConfig, rawDocument, type SkopeoContext } from "./skopeo.ts";

/** Where images come from: registries and their mirrors, or one OCI layout that is served as files. */
export type ImageSource =
  | { readonly kind: "registries"; readonly access: RegistryAccess }
  /** @param url of the layout's folder: `<baseUrl>/images`. */
  | { readonly kind: "layout"; readonly url: string; readonly tuning?: Partial<DownloadTuning> | undefined };

export interface FetchContext {
  readonly store: Store;
  readonly signal: AbortSignal;
  readonly journal: Journal;
  readonly tuning?: SkopeoContext["tuning"];
}

/** An image being fetched: its platform's manifest, and under which digest that is asked for. */
export interface WantedBlobs {
  readonly ref: string;
  readonly manifestDigest: Digest;
  readonly manifest: Manifest;
}

/** Brings what is missing into the store; everything that is taken over has the digest of its name. */
export interface BlobFetcher {
  /** An index or a manifest. */
  document(ref: string, digest: Digest): Promise<void>;
  /** Some of an image's blobs; nobody else fetches these meanwhile. */
  blobs(image: WantedBlobs, missing: readonly Descriptor[]): Promise<void>;
}

export function blobFetcher(source: ImageSource, context: FetchContext): BlobFetcher {
  return source.kind === "layout" ? layoutFetcher(source, context) : registryFetcher(source.access, context);
}

function registryFetcher(access: RegistryAccess, context: FetchContext): BlobFetcher {
  const skopeo = { ...context, access };
  return {
    async document(ref, digest) {
      const bytes = await rawDocument(atDigest(ref, digest), skopeo);
      await keepBytes(context.store, bytes, { ref, digest });
    },
    async blobs(image, missing) {
      const { config } = image.manifest;
      const docker = config.mediaType !== IMAGE_CONFIG;
      // skopeo writes OCI layouts only: a configuration of Docker's is rewritten on the way, so it is asked for by itself.
      if (docker && missing.some(({ digest }) => digest === config.digest)) {
        const bytes = await rawConfig(atDigest(image.ref, image.manifestDigest), skopeo);
        await keepBytes(context.store, bytes, { ref: image.ref, digest: config.digest });
      }
      const rest = docker ? missing.filter(({ digest }) => digest !== config.digest) : missing;
      if (rest.length > 0) await copyMissing(image, rest, skopeo);
    },
  };
}

/**
 * Lets skopeo fetch into a folder that outlives this process, in which what the store has is linked, and takes over what has
 * come, also when not all of it did.
 */
async function copyMissing(
  image: WantedBlobs,
  missing: readonly Descriptor[],
  context: FetchContext & SkopeoContext,
): Promise<void> {
  const { store } = context;
  const folder = await store.partialFolder(`image-${image.manifestDigest}`);
  const scratch = join(folder, "layout");
  await writing(folder, async () => {
    await rm(scratch, { recursive: true, force: true });
    await mkdir(join(folder, "sha256"), { recursive: true });
    await mkdir(scratch);
    const wanted = new Set(missing.map(({ digest }) => digest));
    for (const { digest } of image.manifest.layers) {
      if (!wanted.has(digest)) await linkBlob(store, digest, staged(folder, digest));
    }
  });
  try {
    await copyBlobs(atDigest(image.ref, image.manifestDigest), { folder, scratch }, context);
  } catch (error) {
    await takeOver(image.ref, missing, { ...context, folder }).catch(() => undefined);
    throw error;
  }
  const absent = await takeOver(image.ref, missing, { ...context, folder });
  await rm(folder, { recursive: true, force: true });
  if (absent.length === 0) return;
  throw new KvciError("registry-failed", `${image.ref}: skopeo left out ${absent.join(", ")}`, {
    hint: "Its layers may be of a kind that is not to be distributed; such an image cannot be put into another.",
  });
}

/** Moves what came into the store. @returns the digests of what did not. */
async function takeOver(
  ref: string,
  missing: readonly Descriptor[],
  { store, folder }: FetchContext & { readonly folder: string },
): Promise<Digest[]> {
  const absent: Digest[] = [];
  for (const { digest } of missing) {
    const path = staged(folder, digest);
    if (!(await exists(path))) {
      absent.push(digest);
      continue;
    }
    // Not the build's own signal: what came before Ctrl-C is worth the moment that keeping it takes.
    const actual = await digestOfFile(path, algorithmOf(digest), new AbortController().signal);
    if (actual !== digest) {
      await rm(path, { force: true });
      throw wrongBytes(ref, digest, actual);
    }
    await store.adoptBlob(path, digest);
  }
  return absent;
}

function staged(folder: string, digest: Digest): string {
  return join(folder, ...digest.split(":"));
}

/** A second name for a blob of the store; without it the blob is fetched once more, no worse. */
async function linkBlob(store: Store, digest: Digest, path: string): Promise<void> {
  await link(store.blobPath(digest), path).catch((error: unknown) => {
    if (!["EEXIST", "ENOENT", "EXDEV", "EMLINK"].includes(errnoOf(error) ?? "")) throw error;
  });
}

function layoutFetcher(source: ImageSource & { readonly kind: "layout" }, context: FetchContext): BlobFetcher {
  const fetch = (ref: string, digest: Digest): Promise<void> => fetchFile(source, { ref, digest }, context);
  return {
    document: fetch,
    async blobs({ ref }, missing) {
      await bounded(missing, BLOBS_AT_ONCE, ({ digest }) => fetch(ref, digest));
    },
  };
}

/** Of one image from a layout; each may take several connections. */
const BLOBS_AT_ONCE = 2;

async function fetchFile(
  { url, tuning }: ImageSource & { readonly kind: "layout" },
  { ref, digest }: { readonly ref: string; readonly digest: Digest },
  { store, signal }: FetchContext,
): Promise<void> {
  const folder = await store.partialFolder(`download-${digest}`);
  const urls = [`${url.replace(/\/$/, "")}/blobs/${digest.replace(":", "/")}`];
  const options = tuning ? { tuning } : {};
  try {
    // How far all images are is what people see, not each of a thousand blobs.
    const path = await download({ urls, digest, folder, signal, journal: silentJournal, ...options });
    await store.adoptBlob(path, digest);
    await rm(folder, { recursive: true, force: true });
  } catch (error) {
    throw error instanceof KvciError ? layoutError(ref, error) : error;
  }
}

/** A failed download in the words of images. */
function layoutError(ref: string, error: KvciError): KvciError {
  const { evidence } = error;
  if (error.code === "digest-mismatch") {
    const hint = "The place that baseUrl names is damaged: fill it anew with `kvci-build lock --fetch`.";
    return new KvciError("digest-mismatch", `${ref}: ${error.message}`, { hint, evidence, cause: error });
  }
  if (error.code !== "download-failed") return error;
  const status = /\b(40[134]|410)\b/.exec(evidence.at(-1) ?? "")?.[1];
  if (status === "404" || status === "410") {
    const hint = "Fill the place that baseUrl names anew with `kvci-build lock --fetch`.";
    return new KvciError("image-missing", `${ref}: ${error.message}`, { hint, evidence, cause: error });
  }
  const code = status === undefined ? "registry-failed" : "registry-denied";
  const hint = "Check the environment's baseUrl, and what serves it. What came is kept.";
  return new KvciError(code, `${ref}: ${error.message}`, { hint, evidence, cause: error });
}

async function keepBytes(
  store: Store,
  bytes: Buffer,
  { ref, digest }: { readonly ref: string; readonly digest: Digest },
): Promise<void> {
  const actual = sha256(bytes);
  if (actual !== digest) throw wrongBytes(ref, digest, actual);
  const folder = await store.temporaryFolder("document");
  const path = join(folder.path, randomBytes(6).toString("hex"));
  try {
    await writing(folder.path, () => writeFile(path, bytes));
    await store.adoptBlob(path, digest);
  } finally {
    await folder[Symbol.asyncDispose]();
  }
}
