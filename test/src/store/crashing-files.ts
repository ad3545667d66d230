import { basename, dirname, join } from "node:path";
import { sha256 } from "../../../src/core/digest.ts";
import type { StoreFiles } from "../../../src/store/files.ts";

/** Thrown where the process, or the host, is said to end. */
export class Crash extends Error {}

/** How something ends: the process alone, or the host with all that was not flushed. */
export type End = "killed" | "power-cut";

interface File {
  readonly ino: number;
  version: number;
  text: string;
  /** What is on the disk for sure. */
  flushed: string | undefined;
}
interface Folder {
  readonly ino: number;
  names: Map<string, Entry>;
  flushed: Map<string, Entry>;
}
type Entry = File | Folder;

/** A change of names that is not on the disk for sure until one of its folders is flushed. */
interface Pending {
  readonly entry: Entry;
  readonly folders: readonly Folder[];
  readonly apply: () => void;
}

/**
 * A file system in memory that ends at a given operation. A power cut takes each unflushed change of names or not, in any
 * combination, and leaves anything of an unflushed file: more than any file system of Linux does to us.
 */
export class CrashingFiles {
  #inodes = 0;
  #pending: Pending[] = [];
  #left = Infinity;
  readonly #root: Folder = this.#folder();
  /** Operations that changed something. */
  operations = 0;

  /** The next `operations` changes happen, the one after them throws a Crash. */
  crashAfter(operations: number): void {
    this.#left = operations;
  }

  /** @param choose whether a thing that could go either way goes this way. */
  restart(end: End, choose: () => boolean): void {
    this.#left = Infinity;
    if (end === "killed") return;
    for (const { apply } of this.#pending) if (choose()) apply();
    this.#pending = [];
    lose(this.#root, choose);
  }

  /** Writes as a program would that we do not flush for, such as QEMU. */
  put(path: string, text: string): void {
    const folder = this.#find(dirname(path));
    assertFolder(folder, path);
    const there = folder.names.get(basename(path));
    if (there && "text" in there) {
      there.text = text;
      there.version += 1;
      return;
    }
    this.#link(folder, basename(path), { ino: (this.#inodes += 1), version: 0, text, flushed: undefined });
  }

  text(path: string): string | undefined {
    const entry = this.#find(path);
    return entry && "text" in entry ? entry.text : undefined;
  }

  readonly files: StoreFiles = {
    names: async (folder) => {
      const entry = this.#find(folder);
      return entry && "names" in entry ? [...entry.names.keys()] : [];
    },
    read: async (path) => this.text(path),
    stat: async (path) => {
      const entry = this.#find(path);
      if (!entry) return undefined;
      const isFolder = "names" in entry;
      const bytes = isFolder ? 0 : entry.text.length;
      const identity = isFolder ? `${entry.ino}` : `${entry.ino}:${bytes}:${entry.version}`;
      return { isFolder, bytes, diskBytes: bytes, createdMs: entry.ino, modifiedMs: entry.ino, identity };
    },
    digest: async (path) => sha256(this.text(path) ?? ""),
    write: async (path, text) => {
      this.#step();
      this.put(path, text);
    },
    protect: async (path) => {
      this.#step();
      const entry = this.#find(path);
      if (entry && "text" in entry) entry.version += 1;
    },
    makeFolder: async (path) => this.#makeFolder(path),
    flush: async (path) => {
      this.#step();
      const entry = this.#find(path);
      if (!entry) throw missing(path);
      if ("text" in entry) entry.flushed = entry.text;
      else this.#settle(entry);
    },
    rename: async (from, to) => {
      this.#step();
      const [source, target] = [this.#find(dirname(from)), this.#find(dirname(to))];
      assertFolder(source, from);
      assertFolder(target, to);
      const entry = source.names.get(basename(from));
      if (!entry) throw missing(from);
      const move = (a: Map<string, Entry>, b: Map<string, Entry>): void => {
        if (a.get(basename(from)) === entry) a.delete(basename(from));
        b.set(basename(to), entry);
      };
      move(source.names, target.names);
      this.#pending.push({ entry, folders: [source, target], apply: () => move(source.flushed, target.flushed) });
    },
    remove: async (path) => this.#remove(path),
    // Made anew by whoever opens a chain, so what becomes of one in a crash does not matter.
    link: async () => {},
    leads: async () => true,
    touch: async () => {},
  };

  #makeFolder(path: string): void {
    if (this.#find(path)) return;
    this.#makeFolder(dirname(path));
    this.#step();
    const parent = this.#find(dirname(path));
    assertFolder(parent, path);
    this.#link(parent, basename(path), this.#folder());
  }

  /** As rm does: from the leaves up, each removal an operation of its own. */
  #remove(path: string): void {
    const entry = this.#find(path);
    const parent = this.#find(dirname(path));
    if (!entry || !parent || !("names" in parent)) return;
    if ("names" in entry) for (const name of [...entry.names.keys()]) this.#remove(join(path, name));
    this.#step();
    parent.names.delete(basename(path));
    const apply = (): void => {
      if (parent.flushed.get(basename(path)) === entry) parent.flushed.delete(basename(path));
    };
    this.#pending.push({ entry, folders: [parent], apply });
  }

  #link(folder: Folder, name: string, entry: Entry): void {
    folder.names.set(name, entry);
    this.#pending.push({ entry, folders: [folder], apply: () => folder.flushed.set(name, entry) });
  }

  /** What happened to an entry before happened first: it is never in two places. */
  #settle(folder: Folder): void {
    const entries = new Set(this.#pending.filter(({ folders }) => folders.includes(folder)).map(({ entry }) => entry));
    for (const { entry, apply } of this.#pending) if (entries.has(entry)) apply();
    this.#pending = this.#pending.filter(({ entry }) => !entries.has(entry));
  }

  #step(): void {
    if (this.#left === 0) throw new Crash();
    this.#left -= 1;
    this.operations += 1;
  }

  #folder(): Folder {
    return { ino: (this.#inodes += 1), names: new Map(), flushed: new Map() };
  }

  #find(path: string): Entry | undefined {
    let entry: Entry | undefined = this.#root;
    for (const name of path.split("/").filter((part) => part !== "")) {
      entry = entry && "names" in entry ? entry.names.get(name) : undefined;
    }
    return entry;
  }
}

function lose(folder: Folder, choose: () => boolean): void {
  folder.names = new Map(folder.flushed);
  for (const entry of folder.names.values()) {
    if ("names" in entry) lose(entry, choose);
    else if (entry.flushed !== entry.text) {
      // Of the length it should have or not, with the times it should have: nothing but the bytes tells.
      if (choose()) entry.text = entry.flushed ?? "";
      else if (choose()) entry.text = "\0".repeat(entry.text.length);
      entry.flushed = entry.text;
    }
  }
}

function missing(path: string): Error {
  return Object.assign(new Error(`ENOENT: ${path}`), { code: "ENOENT" });
}

function assertFolder(entry: Entry | undefined, path: string): asserts entry is Folder {
  if (!entry || !("names" in entry)) throw missing(path);
}
