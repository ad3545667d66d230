import { KvciError } from "../core/error.ts";

interface Attributes {
  /** Relative to the image's root, without leading slash: `disk/disk.qcow2`. */
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** A file of the host, streamed. */
export interface HostFile extends Attributes {
  readonly from: string;
}

/** A file whose content is at hand. */
export interface InlineFile extends Attributes {
  readonly content: string | Uint8Array;
}

export type LayerFile = HostFile | InlineFile;
export type LayerDirectory = Attributes;

export interface Layer {
  readonly files: readonly LayerFile[];
  /** Directories with a mode or owner of their own; parents that are not listed are 0755 and root's. */
  readonly directories?: readonly LayerDirectory[] | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

export type LayerEntry =
  { readonly kind: "directory"; readonly entry: LayerDirectory } | { readonly kind: "file"; readonly entry: LayerFile };

/**
 * Everything a layer's tar holds, in its order: parents before their children, otherwise sorted by path, so that the
 * order in which a caller lists files never changes a digest.
 *
 * @throws {KvciError} `internal` for a path that is absolute, leaves the image, or is there twice.
 */
export function layerEntries({ files, directories = [] }: Layer): readonly LayerEntry[] {
  const entries = new Map<string, LayerEntry>();
  for (const entry of directories) addEntry(entries, { kind: "directory", entry });
  for (const entry of files) addEntry(entries, { kind: "file", entry });
  for (const path of [...entries.keys()]) addParents(entries, path);
  return [...entries.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
}

function addEntry(entries: Map<string, LayerEntry>, added: LayerEntry): void {
  const { path } = added.entry;
  checkPath(path);
  if (entries.has(path)) throw wrongPath(path, "is there twice");
  entries.set(path, added);
}

function addParents(entries: Map<string, LayerEntry>, path: string): void {
  for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
    const parent = path.slice(0, end);
    const known = entries.get(parent);
    if (known?.kind === "file") throw wrongPath(path, `is below the file "${parent}"`);
    if (!known) entries.set(parent, { kind: "directory", entry: { path: parent, mode: 0o755, uid: 0, gid: 0 } });
  }
}

function checkPath(path: string): void {
  const parts = path.split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..")) throw wrongPath(path, "is not a plain path");
  if (/[\0\n]/.test(path) || !path.isWellFormed()) throw wrongPath(path, "has characters no tar can hold");
}

function wrongPath(path: string, what: string): KvciError {
  return new KvciError("internal", `an image's file ${JSON.stringify(path)} ${what}`, {
    hint: "Paths in a layer are relative to the image's root, for example disk/disk.qcow2.",
  });
}
