import { access, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Store, TemporaryFolder } from "../../src/store/store.ts";

/** A store in a folder of its own, without locks between processes; the folder is gone on disposal. */
export async function folderStore(): Promise<Store & TemporaryFolder> {
  const root = await mkdtemp(join(tmpdir(), "kvci-store-"));
  const entryPath = (kind: string, key: string): string => join(root, "entries", kind, key);
  const blobPath = (digest: string): string => join(root, "blobs", digest.replace(":", "-"));
  const move = async (from: string, to: string): Promise<string> => {
    await mkdir(dirname(to), { recursive: true });
    if (!(await exists(to))) await rename(from, to);
    return to;
  };
  return {
    root,
    path: root,
    blobPath,
    entryPath,
    hasBlob: (digest) => exists(blobPath(digest)),
    hasEntry: (kind, key) => exists(entryPath(kind, key)),
    adoptBlob: (temporary, digest) => move(temporary, blobPath(digest)),
    adoptEntry: (temporary, kind, key) => move(temporary, entryPath(kind, key)),
    async temporaryFolder(prefix) {
      await mkdir(join(root, "tmp", "run"), { recursive: true });
      const path = await mkdtemp(join(root, "tmp", "run", `${prefix}-`));
      return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
    },
    async partialFolder(name) {
      const path = join(root, "partial", name);
      await mkdir(path, { recursive: true });
      return path;
    },
    lock: () => Promise.resolve({ [Symbol.asyncDispose]: () => Promise.resolve() }),
    tryLock: () => Promise.resolve({ [Symbol.asyncDispose]: () => Promise.resolve() }),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
