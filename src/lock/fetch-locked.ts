import { rm } from "node:fs/promises";
import { download, type DownloadTuning } from "../base/download.ts";
import { shownUrl } from "../base/shown-url.ts";
import { upstreamUrls, type Upstream } from "../base/upstream.ts";
import type { Digest } from "../core/digest.ts";
import { withDisposal } from "../core/disposal.ts";
import { KvciError } from "../core/error.ts";
import type { Journal } from "../core/journal.ts";
import { algorithmOf, digestOfFile } from "../host/file-digest.ts";
import type { Store } from "../store/store.ts";

/** A file by its URL and the digest that the lock has for it. */
export interface LockedFile {
  readonly url: string;
  readonly digest: Digest;
}

export interface LockedFileOptions {
  readonly upstream: Upstream;
  readonly store: Store;
  readonly journal: Journal;
  readonly signal: AbortSignal;
  readonly tuning?: Partial<DownloadTuning>;
}

/**
 * A file in the store, fetched when it is not there or damaged.
 *
 * @returns its path.
 * @throws {KvciError} what `download` throws: `digest-mismatch` and `download-failed` naming the URL.
 */
export async function fetchLocked(file: LockedFile, options: LockedFileOptions): Promise<string> {
  const { store, journal, signal } = options;
  const onWait = (holder: string): void => {
    journal.emit({ type: "warning", subject: file.url, detail: `waiting for ${holder}` });
  };
  return withDisposal(await store.lock(`download-${file.digest}`, { signal, onWait }), async () => {
    if (await isSound(file, options)) return store.blobPath(file.digest);
    const { upstream, tuning } = options;
    const folder = await store.partialFolder(`download-${file.digest}`);
    const urls = upstreamUrls(file.url, upstream);
    const request = { urls, digest: file.digest, folder, signal, journal };
    const path = await download(tuning ? { ...request, tuning } : request).catch((error: unknown) => {
      throw named(error, file.url);
    });
    const kept = await store.adoptBlob(path, file.digest);
    await rm(folder, { recursive: true, force: true });
    return kept;
  });
}

/** The error of a download that was asked of mirrors alone names those; the lock's entry is what people know. */
function named(error: unknown, url: string): unknown {
  const name = shownUrl(url);
  if (!(error instanceof KvciError) || !isAboutSource(error) || error.message.includes(name)) return error;
  const { code, message, hint, evidence } = error;
  return new KvciError(code, `${name}: ${message}`, { hint, evidence, cause: error.cause });
}

function isAboutSource({ code }: KvciError): boolean {
  return code === "download-failed" || code === "digest-mismatch";
}

/** Looked at every time: such files are small beside what a build with a damaged one would cost. */
async function isSound({ digest }: LockedFile, { store, journal, signal }: LockedFileOptions): Promise<boolean> {
  if (!(await store.hasBlob(digest))) return false;
  const path = store.blobPath(digest);
  if ((await digestOfFile(path, algorithmOf(digest), signal)) === digest) return true;
  journal.emit({ type: "warning", subject: path, detail: "the stored file is damaged and is fetched again" });
  await rm(path, { force: true });
  return false;
}
