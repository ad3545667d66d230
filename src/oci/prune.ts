import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { blobFile, startReading } from "./read-blob.ts";
import { scanLayout } from "./read-layout.ts";
import { writeError } from "../core/file-system-error.ts";

const FOLDER = join("blobs", "sha256");

/**
 * Removes blobs that nothing in the layout leads to: an image that was replaced would otherwise keep its gigabytes.
 * A layout that is damaged, or holds things we do not understand, is left alone, since what it needs is not known.
 *
 * @throws {KvciError} `store-unusable`
 */
export async function pruneBlobs(folder: string): Promise<void> {
  const reading = startReading(folder);
  const { others } = await scanLayout(reading);
  if (reading.problems.any() || others.length > 0) return;
  const needed = new Set([...reading.blobs.keys()].map(blobFile));
  try {
    for (const name of await readdir(join(folder, FOLDER))) {
      const file = join(FOLDER, name);
      if (!needed.has(file)) await rm(join(folder, file), { force: true });
    }
  } catch (error) {
    throw writeError(error, join(folder, FOLDER));
  }
}
