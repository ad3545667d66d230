import { copyFile, link, mkdir, rename, rm, stat } from "node:fs/promises";
import { constants } from "node:fs";
import { dirname, join } from "node:path";
import { download, type DownloadTuning } from "../base/download.ts";
import { pathBelowBase, upstreamUrls, type Upstream } from "../base/upstream.ts";
import type { Digest } from "../core/digest.ts";
import { errnoOf, writeError } from "../core/file-system-error.ts";
import type { Journal } from "../core/journal.ts";
import { exists } from "../host/exists.ts";
import { algorithmOf, digestOfFile } from "../host/file-digest.ts";
import type { Store } from "../store/store.ts";
import { askAll, type Failure } from "./answers.ts";
import { fetchFloating } from "./fetch-floating.ts";

/** A file that a mirror is to have. */
export interface MirrorFile {
  readonly url: string;
  /** Undefined for what changes behind its URL, such as an index or a checksum file: that is fetched anew every time. */
  readonly digest?: Digest | undefined;
  /** Whoever reads it checks a signature: it may come by plain HTTP. */
  readonly signed?: boolean;
}

/** A file that a mirror has. */
export interface MirroredFile {
  readonly url: string;
  /** Below the mirror's folder, and below the base URL that it is served at. */
  readonly path: string;
  readonly digest: Digest;
  readonly bytes: number;
  /** It was not there before. */
  readonly fetched: boolean;
}

export interface MirrorOptions {
  readonly folder: string;
  readonly upstream: Upstream;
  readonly store: Store;
  readonly journal: Journal;
  readonly signal: AbortSignal;
  readonly tuning?: Partial<DownloadTuning>;
}

/** Most files are packages of some MB from a handful of servers. */
const AT_ONCE = 8;

/**
 * Brings files into a folder that any static web server can serve as an environment's `baseUrl`: `https://host/path` is at
 * `host/path`. What is there with the right digest stays; a download that was stopped goes on.
 */
export async function fillMirror(
  files: readonly MirrorFile[],
  options: MirrorOptions,
): Promise<{ readonly files: readonly MirroredFile[]; readonly failures: readonly Failure[] }> {
  const done: MirroredFile[] = [];
  const unique = [...new Map(files.map((file) => [file.url, file])).values()];
  const questions = unique.map((file) => ({
    key: file.url,
    entry: file.url,
    ask: async () => {
      done.push(
        file.digest === undefined
          ? await bringFloating(file, options)
          : await bringPinned(file.url, file.digest, options),
      );
    },
  }));
  const failures = await askAll(questions, AT_ONCE);
  return { files: done.sort((a, b) => (a.path < b.path ? -1 : 1)), failures };
}

/** Where a URL's file is below a mirror's folder: the names that a server finds by the URL, `%2B` and all spelled out. */
export function mirrorPath(url: string): string {
  const path = pathBelowBase(url)
    .split("/")
    .map((part) => {
      const plain = decoded(part);
      return plain.includes("/") || plain.includes("\0") || plain === ".." ? part : plain;
    })
    .join("/");
  // What servers answer with for a folder.
  return path.endsWith("/") ? `${path}index.html` : path;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function bringPinned(url: string, digest: Digest, options: MirrorOptions): Promise<MirroredFile> {
  const path = mirrorPath(url);
  const target = join(options.folder, path);
  const there = await hasDigest(target, digest, options.signal);
  if (!there) await fetchPinned(url, digest, { ...options, target });
  return { url, path, digest, bytes: (await stat(target)).size, fetched: !there };
}

async function fetchPinned(
  url: string,
  digest: Digest,
  { folder, store, signal, journal, upstream, tuning, target }: MirrorOptions & { readonly target: string },
): Promise<void> {
  const stored = store.blobPath(digest);
  if (await hasDigest(stored, digest, signal)) {
    await putFile(stored, target);
    return;
  }
  const partial = join(folder, PARTIAL, digest.replace(":", "-"));
  await made(partial);
  const request = { urls: upstreamUrls(url, upstream), digest, folder: partial, signal, journal };
  const file = await download(tuning ? { ...request, tuning } : request);
  await made(dirname(target));
  await rename(file, target).catch((error: unknown) => {
    throw writeError(error, target);
  });
  await rm(partial, { recursive: true, force: true });
}

/** Downloads that are not whole; gone when everything is there. */
const PARTIAL = ".partial";

export async function removePartials(folder: string): Promise<void> {
  await rm(join(folder, PARTIAL), { recursive: true, force: true });
}

async function bringFloating({ url, signed = false }: MirrorFile, options: MirrorOptions): Promise<MirroredFile> {
  const { folder, upstream, store, journal, signal } = options;
  const { digest, bytes, path: stored } = await fetchFloating(url, { upstream, store, journal, signal, signed });
  const path = mirrorPath(url);
  const target = join(folder, path);
  const there = await hasDigest(target, digest, signal);
  if (!there) await putFile(stored, target);
  return { url, path, digest, bytes, fetched: !there };
}

async function hasDigest(path: string, digest: Digest, signal: AbortSignal): Promise<boolean> {
  return (await exists(path)) && (await digestOfFile(path, algorithmOf(digest), signal)) === digest;
}

/** Gives a finished file of the store a second name, or a copy on another file system; what was at `target` is replaced. */
export async function putFile(stored: string, target: string): Promise<void> {
  await made(dirname(target));
  const temporary = `${target}.kvci-new`;
  try {
    await rm(temporary, { force: true });
    await link(stored, temporary).catch(async (error: unknown) => {
      if (!["EXDEV", "EMLINK", "EPERM", "ENOTSUP"].includes(errnoOf(error) ?? "")) throw error;
      await copyFile(stored, temporary, constants.COPYFILE_FICLONE);
    });
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw writeError(error, target);
  }
}

async function made(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw writeError(error, folder);
  });
}
