import { randomBytes } from "node:crypto";
import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { dirname } from "node:path";
import type { Digest } from "../core/digest.ts";
import { errnoOf, fileSystemError } from "../core/file-system-error.ts";
import { exists } from "../host/exists.ts";
import { digestOfFile } from "../host/file-digest.ts";
import { flush } from "./atomic.ts";

/** What the file system says of one path, links not followed. */
export interface FileState {
  readonly isFolder: boolean;
  /** Length of a file's content. */
  readonly bytes: number;
  /** What it takes on the disk: holes take nothing. */
  readonly diskBytes: number;
  readonly createdMs: number;
  readonly modifiedMs: number;
  /** Inode, size and times in nanoseconds: a file that was written or replaced has another one. */
  readonly identity: string;
}

/**
 * The file operations that layers and their removal are made of. A port, so that a test can crash between any two of
 * them, or lose what was not flushed.
 */
export interface StoreFiles {
  /** Names in a folder; none when there is no such folder. */
  names(folder: string): Promise<readonly string[]>;
  /** A small file's text; undefined when it is not there or cannot be read. */
  read(path: string): Promise<string | undefined>;
  stat(path: string): Promise<FileState | undefined>;
  /** sha256 of a file. @throws {KvciError} `interrupted`, `store-unusable` */
  digest(path: string, signal: AbortSignal): Promise<Digest>;
  /** Writes a file; after a power cut any part of it may be missing until it is flushed. */
  write(path: string, text: string): Promise<void>;
  /** Takes everybody's right to write. */
  protect(path: string): Promise<void>;
  /** Makes a folder and those above it. */
  makeFolder(path: string): Promise<void>;
  /** Flushes the content of a file, or the names in a folder. */
  flush(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Makes a symbolic link, in the place of one that is there; nothing happens when it is the same. */
  link(target: string, path: string): Promise<void>;
  /** Whether something is at the end of a link. */
  leads(path: string): Promise<boolean>;
  /** Removes a file or a tree, if it is there. */
  remove(path: string): Promise<void>;
  /** Sets when something was last used. */
  touch(path: string, atMs: number): Promise<void>;
}

/** How many small files are read at once: more open files gain nothing, since libuv has 4 threads for them. */
export const READS_AT_ONCE = 32;

/** The host's own file system. */
export const hostFiles: StoreFiles = {
  async names(folder) {
    try {
      return await readdir(folder);
    } catch (error) {
      if (["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "")) return [];
      throw fileSystemError(error, folder);
    }
  },
  read: (path) => readFile(path, "utf8").catch(() => undefined),
  stat,
  digest: (path, signal) => digestOfFile(path, "sha256", signal),
  write: (path, text) => writeFile(path, text),
  protect: (path) => chmod(path, 0o444),
  async makeFolder(path) {
    await mkdir(path, { recursive: true });
  },
  flush,
  rename,
  link,
  leads: exists,
  remove: (path) => rm(path, { recursive: true, force: true }),
  touch: (path, atMs) => utimes(path, atMs / 1_000, atMs / 1_000),
};

async function link(target: string, path: string): Promise<void> {
  if ((await readlink(path).catch(() => undefined)) === target) return;
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  await mkdir(dirname(path), { recursive: true });
  await symlink(target, temporary);
  await rename(temporary, path);
}

/** POSIX counts `st_blocks` in units of 512 bytes, whatever the file system's own are. */
const BLOCK_BYTES = 512;

async function stat(path: string): Promise<FileState | undefined> {
  try {
    const found = await lstat(path, { bigint: true });
    return {
      isFolder: found.isDirectory(),
      bytes: Number(found.size),
      diskBytes: Number(found.blocks) * BLOCK_BYTES,
      createdMs: Number(found.birthtimeMs),
      modifiedMs: Number(found.mtimeMs),
      identity: [found.ino, found.size, found.mtimeNs, found.ctimeNs].join(":"),
    };
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "")) return undefined;
    throw fileSystemError(error, path);
  }
}
