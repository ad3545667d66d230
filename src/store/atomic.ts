import { randomBytes } from "node:crypto";
import { open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { withDisposal } from "../core/disposal.ts";

/** Flushes a file or folder to the disk. */
export async function flush(path: string): Promise<void> {
  await withDisposal(await open(path, "r"), (handle) => handle.sync());
}

/** Flushes every file below a folder, then the folders. */
export async function flushTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await flushTree(path);
    else if (entry.isFile()) await flush(path);
  }
  await flush(folder);
}

/** Gives something flushed its final name; after a power cut it is there whole or not at all. */
export async function renameFlushed(from: string, to: string): Promise<void> {
  await rename(from, to);
  await flush(dirname(to));
}

/** Writes a small file that is there whole or not at all; when it cannot be written, nothing is left of the attempt. */
export async function writeFileAtomic(path: string, content: string): Promise<void> {
  const temporary = `${path}.new-${randomBytes(6).toString("hex")}`;
  try {
    await withDisposal(await open(temporary, "wx"), async (file) => {
      await file.writeFile(content);
      await file.sync();
    });
    await renameFlushed(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}
