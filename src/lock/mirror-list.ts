import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { writing } from "../core/file-system-error.ts";
import { jsonOf } from "../core/parse-json.ts";
import { exists } from "../host/exists.ts";
import { writeFileAtomic } from "../store/atomic.ts";

/** Name of the file that says what is in a mirror's folder. */
export const MIRROR_LIST = "kvci-build.mirror.json";

const entry = z.object({ digest: z.string(), bytes: z.int().min(0) });
const schema = z.object({
  formatVersion: z.literal(1),
  files: z.record(z.string(), entry.extend({ url: z.string() })),
  images: z.record(z.string(), entry),
});

/** What a folder that a mirror serves has in it: files by their path, container images by reference. */
export interface MirrorList {
  readonly files: Readonly<Record<string, { readonly url: string; readonly digest: string; readonly bytes: number }>>;
  readonly images: Readonly<Record<string, { readonly digest: string; readonly bytes: number }>>;
}

/** Writes the list with what was brought, beside what an earlier run brought and is still there. */
export async function writeMirrorList(folder: string, brought: MirrorList): Promise<MirrorList> {
  const path = join(folder, MIRROR_LIST);
  const before = await readMirrorList(path);
  const files: Record<string, MirrorList["files"][string]> = {};
  for (const [name, file] of Object.entries(before.files)) if (await exists(join(folder, name))) files[name] = file;
  const list = {
    formatVersion: 1,
    files: sorted({ ...files, ...brought.files }),
    images: sorted({ ...before.images, ...brought.images }),
  };
  await writing(path, () => writeFileAtomic(path, `${JSON.stringify(list, undefined, 2)}\n`));
  return list;
}

/** One that is not there, or that nobody can read, says nothing. */
async function readMirrorList(path: string): Promise<MirrorList> {
  const text = await readFile(path, "utf8").catch(() => "");
  return schema.safeParse(jsonOf(text)).data ?? { files: {}, images: {} };
}

function sorted<T>(entries: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1)));
}
