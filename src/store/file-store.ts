import { chmod, mkdir, mkdtemp, open, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Digest } from "../core/digest.ts";
import { flush, flushTree, renameFlushed } from "./atomic.ts";
import { errnoOf, fileSystemError, writeError, writing } from "../core/file-system-error.ts";
import { acquireLock, tryAcquireLock } from "./store-lock.ts";
import type { Store, TemporaryFolder } from "./store.ts";
import { exists } from "../host/exists.ts";

/** Who opens the store: shown to those who wait for a lock, and the name of this run's temporary folder. */
export interface StoreUser {
  readonly runId: string;
  /** For example `kvci-build template quickstart (pid 4711)`. */
  readonly description: string;
}

const FOLDERS = ["blobs/sha256", "blobs/sha512", "entries", "locks", "partial", "runs", "tmp"] as const;

/**
 * Opens the store at `root`, making it if need be.
 *
 * @throws {KvciError} `store-unusable`, `store-full`
 */
export async function openStore(root: string, user: StoreUser): Promise<Store> {
  const temporaryRoot = join(root, "tmp", user.runId);
  await writing(root, async () => {
    for (const folder of FOLDERS) await makeFolder(join(root, folder));
  });
  const lockPath = (name: string): string => join(root, "locks", safeName(name));
  return {
    root,
    ...blobs(root),
    ...entries(root),
    async temporaryFolder(prefix) {
      return writing(root, async () => {
        await mkdir(temporaryRoot, { recursive: true, mode: 0o700 });
        return temporary(await mkdtemp(join(temporaryRoot, `${prefix}-`)));
      });
    },
    async partialFolder(name) {
      const path = join(root, "partial", safeName(name));
      await writing(root, () => mkdir(path, { recursive: true }));
      return path;
    },
    async lock(name, { signal, onWait }) {
      const path = lockPath(name);
      return locking(path, () => acquireLock(path, { holder: user.description, signal, onWait }));
    },
    async tryLock(name) {
      const path = lockPath(name);
      return locking(path, () => tryAcquireLock(path, user.description));
    },
  };
}

/** SQLite has error codes of its own; the file system is asked for the reason. */
async function locking<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (errnoOf(error) !== "ERR_SQLITE_ERROR") throw fileSystemError(error, path);
    await writing(path, async () => (await open(path, "a")).close());
    throw writeError(error, path);
  }
}

function blobs(root: string): Pick<Store, "blobPath" | "hasBlob" | "adoptBlob"> {
  const blobPath = (digest: Digest): string => join(root, "blobs", ...digest.split(":"));
  return {
    blobPath,
    hasBlob: (digest) => exists(blobPath(digest)),
    async adoptBlob(file, digest) {
      const path = blobPath(digest);
      return writing(path, async () => {
        await chmod(file, 0o444);
        await flush(file);
        await renameFlushed(file, path);
        return path;
      });
    },
  };
}

function entries(root: string): Pick<Store, "entryPath" | "hasEntry" | "adoptEntry"> {
  const entryPath = (kind: string, key: string): string => join(root, "entries", safeName(kind), safeName(key));
  return {
    entryPath,
    hasEntry: (kind, key) => exists(entryPath(kind, key)),
    async adoptEntry(folder, kind, key) {
      const path = entryPath(kind, key);
      return writing(path, async () => {
        if (await exists(path)) return path;
        await makeFolder(join(root, "entries", safeName(kind)));
        await flushTree(folder);
        await renameFlushed(folder, path);
        return path;
      });
    },
  };
}

/** Makes a folder that a power cut cannot take back together with what is renamed into it later. */
async function makeFolder(path: string): Promise<void> {
  const absolute = resolve(path);
  const first = await mkdir(absolute, { recursive: true });
  if (first === undefined) return;
  for (let at = absolute; at.length >= first.length; at = dirname(at)) await flush(dirname(at));
}

function temporary(path: string): TemporaryFolder {
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Digests hold a colon; nothing else that is not fit for a file name comes here. */
function safeName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9._-]/g, "-");
}
