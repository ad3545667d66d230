import { createHash } from "node:crypto";
import { lstat, mkdtemp, open, readdir, readFile, readlink, rm } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { partitionsOf, SECTOR_BYTES, TABLE_SECTORS } from "../../src/disk/partitions.ts";
import { runProgram } from "../../src/host/program.ts";

/** One conversion or listing of a disk of 3 GiB that holds some 500 MB. */
const READ_MS = 120_000;
const options = { signal: new AbortController().signal, timeoutMs: READ_MS };

/**
 * Everything in the root filesystem (ext4) of a disk, read without booting it: kind, mode and content by path. Owners are not
 * told, because only root can give files away.
 */
export async function filesOfDisk(disk: string): Promise<Map<string, string>> {
  const folder = await mkdtemp(join(dirname(disk), "files-"));
  try {
    const raw = join(folder, "disk.raw");
    await runProgram(["qemu-img", "convert", "-O", "raw", disk, raw], options);
    const offset = await rootOffset(raw);
    const dump = `rdump / ${join(folder, "root")}`;
    await runProgram(["mkdir", join(folder, "root")], options);
    await runProgram(["debugfs", "-R", dump, `${raw}?offset=${String(offset)}`], options);
    return await filesBelow(join(folder, "root"));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The root is the largest partition. */
async function rootOffset(raw: string): Promise<number> {
  const file = await open(raw);
  try {
    const table = Buffer.alloc(TABLE_SECTORS * SECTOR_BYTES);
    await file.read(table, 0, table.length, 0);
    const [largest] = partitionsOf(table).sort((a, b) => b.bytes - a.bytes);
    return largest?.offset ?? 0;
  } finally {
    await file.close();
  }
}

async function filesBelow(root: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const entry of await readdir(root, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    const { mode } = await lstat(path);
    found.set(`/${relative(root, path)}`, `${mode.toString(8)} ${await contentOf(path, entry)}`);
  }
  return found;
}

async function contentOf(
  path: string,
  entry: { readonly isFile: () => boolean; readonly isSymbolicLink: () => boolean },
): Promise<string> {
  if (entry.isSymbolicLink()) return `-> ${await readlink(path)}`;
  if (!entry.isFile()) return "";
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}

/** Paths whose kind, mode or content differ, sorted; those that only one of them has included. */
export function differingFiles(one: ReadonlyMap<string, string>, two: ReadonlyMap<string, string>): string[] {
  return [...new Set([...one.keys(), ...two.keys()])].filter((path) => one.get(path) !== two.get(path)).sort();
}
