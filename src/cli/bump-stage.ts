import { copyFile, mkdir, readdir, realpath, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { KvciError } from "../core/error.ts";
import { writing } from "../core/file-system-error.ts";
import { writeFileAtomic } from "../store/atomic.ts";

/** Files as they are to become, beside what they are: nothing is written there before everything is known. */
export interface Stage {
  /** Where a file or folder is in the stage. */
  readonly pathOf: (path: string) => string;
  /** Changes a file of the stage, or adds one, by its own path. */
  readonly write: (path: string, text: string) => Promise<void>;
  /** Writes what was changed to where it belongs. @returns the paths */
  readonly commit: () => Promise<string[]>;
}

export interface StageOptions {
  /** The folder that the lock is in: all that templates use is in it or below. */
  readonly root: string;
  /** Folders below it whose modules and data are copied, because a module that is linked would find the data beside the original. */
  readonly copied: readonly string[];
  /** An empty folder for the stage. */
  readonly folder: string;
}

/** Modules and data that they import; what templates copy into images is linked. */
const MODULE = /\.(?:[mc]?[jt]s|json)$/;

/** @throws {KvciError} `store-full`, `store-unusable`; `usage` for a folder that is not below the root */
export async function openStage({ root, copied, folder }: StageOptions): Promise<Stage> {
  const real = await realpath(root);
  const pathOf = (path: string): string => join(folder, below(real, path));
  const folders = (await Promise.all(copied.map((each) => realpath(each)))).filter((each) => each !== real);
  await writing(folder, () => fill(real, folder, folders));
  const changes = new Map<string, string>();
  return {
    pathOf,
    write: async (path, text) => {
      changes.set(path, text);
      await writing(folder, async () => {
        await mkdir(dirname(pathOf(path)), { recursive: true });
        await writeFile(pathOf(path), text);
      });
    },
    commit: async () => {
      for (const [path, text] of changes) await writing(path, () => writeFileAtomic(path, text));
      return [...changes.keys()];
    },
  };
}

/** A folder on the way to one that is copied is a folder of its own; what is below one that is copied is copied. */
async function fill(from: string, to: string, copied: readonly string[]): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    const isOpened = copied.some((each) => isWithin(each, source) || isWithin(source, each));
    if (entry.isDirectory() && isOpened && entry.name !== "node_modules") await fill(source, target, copied);
    else if (entry.isFile() && MODULE.test(entry.name)) await copyFile(source, target);
    else await symlink(source, target);
  }
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === "" || (!way.startsWith("..") && !way.startsWith("/"));
}

function below(root: string, path: string): string {
  if (isWithin(path, root)) return relative(root, path);
  throw new KvciError("usage", `${path} is not below ${root}, the folder of its lock`, {
    hint: "Run it where the lock is, for templates below that folder.",
  });
}
