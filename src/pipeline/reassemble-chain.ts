import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { KvciError } from "../core/error.ts";
import { writing } from "../core/file-system-error.ts";
import { checkChain, type ChainFile } from "../disk/chain.ts";
import type { DiskContext } from "../disk/qemu-img.ts";
import { extractDisk } from "../oci/extract-disk.ts";
import { TOP_FILE } from "../oci/layered-disk.ts";

/** A disk that was unpacked from an image. */
export interface ReassembledChain {
  /** Path of the topmost file: what a machine boots from, through an overlay. */
  readonly path: string;
  /** Lowest first. */
  readonly files: readonly ChainFile[];
  /** Reference name of the image it is from. */
  readonly ref: string | undefined;
}

/**
 * Unpacks an image's disk from an OCI layout into a new or empty folder, and checks that its files are a whole chain which
 * leads nowhere else. On failure nothing is left.
 *
 * @throws {KvciError} `layout-invalid`, `build-invalid`, `usage` for a folder that is not empty or an image that is not
 *   named clearly, `program-failed`, `store-full`, `interrupted`.
 */
export async function reassembleChain(
  source: { readonly layout: string; readonly ref?: string | undefined },
  folder: string,
  context: DiskContext,
): Promise<ReassembledChain> {
  await prepareFolder(folder);
  try {
    const { image, files } = await extractDisk(source.layout, { ref: source.ref, folder, signal: context.signal });
    const chain = await checkChain(folder, TOP_FILE, context);
    const stray = files.filter((name) => !chain.some((file) => file.name === name));
    if (stray.length > 0) throw unused(source.layout, stray);
    return { path: join(folder, TOP_FILE), files: chain, ref: image.ref };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function prepareFolder(folder: string): Promise<void> {
  const names = await writing(folder, async () => {
    await mkdir(folder, { recursive: true });
    return readdir(folder);
  });
  if (names.length === 0) return;
  throw new KvciError("usage", `${folder} is not empty`, { hint: "Name a folder that is empty or does not exist." });
}

function unused(layout: string, names: readonly string[]): KvciError {
  return new KvciError("build-invalid", `${layout}: the disk does not use ${names.join(", ")}`, {
    hint: "The image is not one that kvci-build made; use it only if you trust its maker.",
  });
}
