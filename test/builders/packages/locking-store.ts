import { access, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import path from "node:path";
import type { Store, TemporaryFolder } from "../../../src/store/store.ts";

/** A store in a folder, with locks that hold in this process only. */
export function lockingStore(root: string): Store {
  const locks = new Map<string, Promise<void>>();
  const there = async (file: string): Promise<boolean> =>
    access(file).then(
      () => true,
      () => false,
    );
  const entryPath = (kind: string, key: string): string => path.join(root, kind, key);
  const blobPath = (digest: string): string => path.join(root, "blobs", digest);
  const adopt = async (temporary: string, target: string): Promise<string> => {
    await mkdir(path.dirname(target), { recursive: true });
    await rename(temporary, target);
    return target;
  };
  return {
    root,
    blobPath,
    hasBlob: (digest) => there(blobPath(digest)),
    adoptBlob: (temporary, digest) => adopt(temporary, blobPath(digest)),
    entryPath,
    hasEntry: (kind, key) => there(entryPath(kind, key)),
    adoptEntry: (temporary, kind, key) => adopt(temporary, entryPath(kind, key)),
    temporaryFolder: (prefix) => temporaryFolder(path.join(root, "tmp"), prefix),
    partialFolder: async (name) => {
      const folder = path.join(root, "partial", name);
      await mkdir(folder, { recursive: true });
      return folder;
    },
    tryLock: () => Promise.resolve({ [Symbol.asyncDispose]: () => Promise.resolve() }),
    async lock(name) {
      const before = locks.get(name) ?? Promise.resolve();
      const { promise, resolve } = Promise.withResolvers<void>();
      locks.set(
        name,
        before.then(() => promise),
      );
      await before;
      return { [Symbol.asyncDispose]: () => Promise.resolve(resolve()) };
    },
  };
}

async function temporaryFolder(parent: string, prefix: string): Promise<TemporaryFolder> {
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(path.join(parent, `${prefix}-`));
  return { path: folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}
