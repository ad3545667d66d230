import { createHash } from "node:crypto";
import { createReadStream, type Stats } from "node:fs";
import { lstat, readdir, readlink, realpath } from "node:fs/promises";
import { join } from "node:path";
import { digestOfValue, type Digest } from "../../core/digest.ts";
import { KvciError } from "../../core/error.ts";
import type { SourceFile } from "../../core/plan.ts";

/** What of a tree counts: paths, contents, where links point to, and whether a file may be executed. Not owners, times or umask. */
type TreeEntry =
  | { readonly path: string; readonly kind: "folder" }
  | { readonly path: string; readonly kind: "link"; readonly target: string }
  | { readonly path: string; readonly kind: "file"; readonly executable: boolean; readonly digest: Digest };

interface Tree {
  readonly entries: readonly TreeEntry[];
  readonly bytes: number;
}

/**
 * Digest and size of a file (its bytes) or a folder (everything below it, links recorded and not followed; a link as
 * `path` itself is followed). Streams, so that a disk of many GiB needs no memory.
 *
 * @throws {KvciError} `template-invalid` for a socket, pipe or device; `interrupted` on abort. Errors of the filesystem
 *   (ENOENT, EACCES) come as they are.
 */
export async function readSource(path: string, signal?: AbortSignal): Promise<SourceFile> {
  const absolutePath = await realpath(path);
  const stats = await lstat(absolutePath);
  if (stats.isFile()) return { absolutePath, bytes: stats.size, digest: await digestOfFile(absolutePath, signal) };
  if (!stats.isDirectory()) throw refused(path, stats);
  const { entries, bytes } = await readTree(absolutePath, "", signal);
  return { absolutePath, bytes, digest: digestOfValue({ formatVersion: 1, tree: entries }) };
}

async function readTree(root: string, folder: string, signal?: AbortSignal): Promise<Tree> {
  const entries: TreeEntry[] = [];
  let bytes = 0;
  // By UTF-16 code units, like the keys of canonical JSON: the same everywhere, which readdir's order is not.
  for (const name of (await readdir(join(root, folder))).sort()) {
    const path = folder === "" ? name : `${folder}/${name}`;
    const stats = await lstat(join(root, path));
    if (stats.isDirectory()) {
      const below = await readTree(root, path, signal);
      entries.push({ path, kind: "folder" }, ...below.entries);
      bytes += below.bytes;
    } else {
      entries.push(await readEntry(root, path, { stats, signal }));
      bytes += stats.isFile() ? stats.size : 0;
    }
  }
  return { entries, bytes };
}

async function readEntry(
  root: string,
  path: string,
  { stats, signal }: { readonly stats: Stats; readonly signal: AbortSignal | undefined },
): Promise<TreeEntry> {
  const absolute = join(root, path);
  if (stats.isSymbolicLink()) return { path, kind: "link", target: await readlink(absolute) };
  if (!stats.isFile()) throw refused(absolute, stats);
  return { path, kind: "file", executable: (stats.mode & 0o100) !== 0, digest: await digestOfFile(absolute, signal) };
}

async function digestOfFile(path: string, signal?: AbortSignal): Promise<Digest> {
  const hash = createHash("sha256");
  try {
    // 1 MiB at a time: at 64 KiB the calls cost more than the hashing.
    for await (const chunk of createReadStream(path, { highWaterMark: 1024 ** 2, ...(signal && { signal }) })) {
      hash.update(chunk as Buffer);
    }
  } catch (error) {
    if (!signal?.aborted) throw error;
    throw new KvciError("interrupted", `reading ${path} was stopped`, {
      hint: "Run the same command again.",
      cause: error,
    });
  }
  return `sha256:${hash.digest("hex")}`;
}

function refused(path: string, stats: Stats): KvciError {
  const kind = stats.isSocket() ? "a socket" : stats.isFIFO() ? "a pipe" : "a device";
  return new KvciError("template-invalid", `"${path}" is ${kind}`, {
    hint: "Only files, folders and symbolic links can be copied.",
  });
}
