import { access, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Blocks by SHA-256 in hex, each kept once however many snapshots have it. */
export interface BlockStore {
  put(digest: string, bytes: Uint8Array): Promise<void>;
  get(digest: string): Promise<Uint8Array>;
}

export function blocksInMemory(): BlockStore {
  const blocks = new Map<string, Uint8Array>();
  return {
    put: (digest, bytes) => {
      if (!blocks.has(digest)) blocks.set(digest, bytes);
      return Promise.resolve();
    },
    get: (digest) => {
      const found = blocks.get(digest);
      return found === undefined ? Promise.reject(new Error(`no block ${digest}`)) : Promise.resolve(found);
    },
  };
}

/** A file per block: for disks that do not fit, and for servers that are started again. */
export function blocksInFolder(folder: string): BlockStore {
  let writes = 0;
  const pathOf = (digest: string) => join(folder, digest.slice(0, 2), digest);
  return {
    put: async (digest, bytes) => {
      const path = pathOf(digest);
      if (await exists(path)) return;
      const part = `${path}.${String(process.pid)}-${writes++}`;
      await mkdir(join(path, ".."), { recursive: true });
      await writeFile(part, bytes);
      await rename(part, path);
    },
    get: (digest) => readFile(pathOf(digest)),
  };
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
