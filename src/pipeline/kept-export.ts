import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { z } from "zod";
import { digestOfValue, shortDigest, type Digest } from "../core/digest.ts";
import { writing } from "../core/file-system-error.ts";
import type { Journal } from "../core/journal.ts";
import { digestOfFile } from "../host/file-digest.ts";
import { ENTRY_NOTE, formatEntryNote } from "../store/entry-note.ts";
import type { Store } from "../store/store.ts";
import { digestSchema } from "../core/record-schemas.ts";

/** Counts up when the same layers are written as other bytes. */
const FORMAT_VERSION = 1;
const KIND = "exports";
const DISK_FILE = "layer.qcow2";
const EXPORT_FILE = "export.json";

const exportSchema = z.object({
  digest: digestSchema,
  bytes: z.int().min(0),
});

/** Where exports are kept, and what they need to be made. */
export interface ExportPorts {
  readonly store: Store;
  /** A temporary folder of the store. */
  readonly workDir: string;
  /** Keeps items of the store, paths relative to its root, from being removed while this run lasts; notes their use. */
  readonly pin: (items: readonly string[]) => Promise<void>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly signal: AbortSignal;
  readonly journal: Journal;
}

export interface ExportRequest {
  /** What it is, for people. */
  readonly what: string;
  /** Everything that its bytes depend on. */
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Writes the file; `folder` is for whatever else it needs meanwhile. */
  readonly write: (to: string, folder: string) => Promise<void>;
}

/**
 * Path of a file that the store keeps so that the next build need not write it again. What is kept is read and compared with
 * its digest before it is used; one that has changed is removed and made anew.
 */
export async function keptExport(request: ExportRequest, ports: ExportPorts): Promise<string> {
  const { store, journal } = ports;
  const key = digestOfValue({ formatVersion: FORMAT_VERSION, ...request.inputs });
  // Before it is looked for: what is there then stays.
  await ports.pin([relative(store.root, store.entryPath(KIND, key))]);
  const found = await intactExport(key, request.what, ports);
  if (found !== undefined) {
    journal.emit({ type: "cache-hit", what: request.what, digest: key });
    return found;
  }
  const folder = await mkdtemp(join(ports.workDir, "export-"));
  const made = join(folder, "entry");
  await writing(store.root, () => writeEntry(made, { request, scratch: folder }, ports));
  return join(await store.adoptEntry(made, KIND, key), DISK_FILE);
}

async function intactExport(key: Digest, what: string, ports: ExportPorts): Promise<string | undefined> {
  const { store, signal, journal } = ports;
  if (!(await store.hasEntry(KIND, key))) return undefined;
  const folder = store.entryPath(KIND, key);
  const path = join(folder, DISK_FILE);
  const record = await readRecord(folder);
  if (record && (await isIntact(path, record, signal))) {
    return path;
  }
  const detail = `${folder} is damaged; it was removed and is made again`;
  journal.emit({ type: "warning", subject: `${what} ${shortDigest(key)}`, detail });
  await writing(store.root, () => rm(folder, { recursive: true, force: true }));
  return undefined;
}

async function readRecord(folder: string): Promise<z.output<typeof exportSchema> | undefined> {
  try {
    return exportSchema.safeParse(JSON.parse(await readFile(join(folder, EXPORT_FILE), "utf8"))).data;
  } catch {
    return undefined;
  }
}

async function isIntact(path: string, record: z.output<typeof exportSchema>, signal: AbortSignal): Promise<boolean> {
  const bytes = await stat(path).then(
    ({ size }) => size,
    () => undefined,
  );
  return bytes === record.bytes && (await digestOfFile(path, "sha256", signal)) === record.digest;
}

async function writeEntry(
  folder: string,
  { request, scratch }: { readonly request: ExportRequest; readonly scratch: string },
  { signal, now }: ExportPorts,
): Promise<void> {
  const path = join(folder, DISK_FILE);
  await mkdir(folder);
  await request.write(path, scratch);
  await chmod(path, 0o444);
  const { size: bytes } = await stat(path);
  const record = { digest: await digestOfFile(path, "sha256", signal), bytes };
  const note = { what: request.what, createdAt: new Date(now()).toISOString(), needs: [] };
  await writeFile(join(folder, EXPORT_FILE), `${JSON.stringify(record)}\n`);
  await writeFile(join(folder, ENTRY_NOTE), formatEntryNote(note));
}
