import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { shortDigest, type Digest } from "../core/digest.ts";
import { withDisposal } from "../core/disposal.ts";
import type { Environment } from "../core/environment.ts";
import type { Journal } from "../core/journal.ts";
import type { Store } from "../store/store.ts";
import { compressionOf, decompress, type Compression } from "./decompress.ts";
import { checkStandsAlone, diskFormatOf, readHead, type DiskFormat } from "./disk-format.ts";
import { download, type DownloadTuning } from "./download.ts";
import { algorithmOf, digestOfFile } from "../host/file-digest.ts";
import { applyMirrors } from "./mirrors.ts";

export interface CloudImageSource {
  readonly urls: readonly string[];
  /** Digest of the file as it is downloaded, compressed or not. */
  readonly digest: Digest;
}

export interface ProvideOptions {
  readonly store: Store;
  readonly journal: Journal;
  readonly signal: AbortSignal;
  readonly environmentMirrors?: Environment["mirrors"];
  /** Read a blob that is in the store already and compare its digest, instead of trusting what was verified when it came. */
  readonly verifyStored?: boolean;
  readonly tuning?: Partial<DownloadTuning>;
}

/** A disk in the store. Nobody writes to it; builds put an overlay on top. */
export interface ProvidedDisk {
  readonly path: string;
  readonly format: DiskFormat;
}

/**
 * A cloud image in the store: fetched and verified when it is not there, unpacked when it is compressed.
 *
 * @throws {KvciError} what `download` and `decompress` throw; `base-failed` for an image that needs other files.
 */
export async function provideCloudImage(source: CloudImageSource, options: ProvideOptions): Promise<ProvidedDisk> {
  const { store, journal, signal } = options;
  const lock = await store.lock(`download-${source.digest}`, {
    signal,
    onWait: (holder) => {
      journal.emit({
        type: "warning",
        subject: `image ${shortDigest(source.digest)}`,
        detail: `waiting for ${holder}`,
      });
    },
  });
  return withDisposal(lock, () => provideLocked(source, options));
}

async function provideLocked(source: CloudImageSource, options: ProvideOptions): Promise<ProvidedDisk> {
  const { store, journal } = options;
  if (await isStored(source.digest, options)) {
    journal.emit({ type: "cache-hit", what: "cloud image", digest: source.digest });
  } else {
    await fetchIntoStore(source, options);
  }
  const blob = store.blobPath(source.digest);
  const compression = compressionOf(await readHead(blob));
  const path = compression ? await unpacked(source.digest, compression, options) : blob;
  const head = await readHead(path);
  checkStandsAlone(head, source.urls[0] ?? path);
  return { path, format: diskFormatOf(head) };
}

async function isStored(
  digest: Digest,
  { store, journal, signal, verifyStored = false }: ProvideOptions,
): Promise<boolean> {
  if (!(await store.hasBlob(digest))) return false;
  const path = store.blobPath(digest);
  const isEmpty = (await stat(path)).size === 0;
  if (!isEmpty && (!verifyStored || (await digestOfFile(path, algorithmOf(digest), signal)) === digest)) return true;
  journal.emit({ type: "warning", subject: path, detail: "the stored image is damaged and is fetched again" });
  await rm(path, { force: true });
  return false;
}

async function fetchIntoStore({ urls, digest }: CloudImageSource, options: ProvideOptions): Promise<void> {
  const { store, journal, signal, environmentMirrors = {} } = options;
  const folder = await store.partialFolder(`download-${fileName(digest)}`);
  const file = await download({
    urls: applyMirrors(urls, environmentMirrors),
    digest,
    folder,
    name: fileNameOf(urls[0] ?? ""),
    signal,
    journal,
    ...(options.tuning === undefined ? {} : { tuning: options.tuning }),
  });
  await store.adoptBlob(file, digest);
  await rm(folder, { recursive: true, force: true });
}

async function unpacked(
  digest: Digest,
  compression: Compression,
  { store, journal, signal }: ProvideOptions,
): Promise<string> {
  const key = fileName(digest);
  if (await store.hasEntry("unpacked", key)) return join(store.entryPath("unpacked", key), "disk");
  return withDisposal(await store.temporaryFolder("unpack"), async (folder) => {
    await journal.span({ name: `unpack ${compression}`, kind: "phase" }, (inner) =>
      decompress(store.blobPath(digest), join(folder.path, "disk"), { compression, signal, journal: inner }),
    );
    return join(await store.adoptEntry(folder.path, "unpacked", key), "disk");
  });
}

/** A digest as a file name: colons trouble some file systems and programs. */
function fileName(digest: Digest): string {
  return digest.replace(":", "-");
}

function fileNameOf(url: string): string {
  return URL.canParse(url) ? (new URL(url).pathname.split("/").at(-1) ?? "image") : "image";
}
