import { messageOf } from "../core/error.ts";
import type { ByteSource } from "./byte-source.ts";
import {
  decodeHeader,
  decodePax,
  paddingBytes,
  TAR_BLOCK_BYTES,
  type DecodedHeader,
  type PaxRecords,
} from "./tar-header.ts";

/** A pax header longer than this is no header. */
const MAX_META_BYTES = 1024 * 1024;
/** Whole distributions have fewer files; a list that long is there to fill our memory. */
const MAX_FILES = 500_000;

/** A file as a layer's tar lists it. */
export interface TarFile {
  readonly path: string;
  /** "File", "Directory", "SymbolicLink", … */
  readonly type: string;
  readonly sizeBytes: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface TarListing {
  readonly files: readonly TarFile[];
  /** Why the list ends early, or what else is wrong. */
  readonly problems: readonly string[];
}

/** Gets every file of a tar in turn. `content` ends with the file; what is not read of it is passed over. */
export type TarVisitor = (file: TarFile, content: Pick<ByteSource, "read">) => Promise<void>;

interface State {
  readonly visit: TarVisitor | undefined;
  readonly files: TarFile[];
  readonly problems: string[];
  local: PaxRecords | undefined;
  global: PaxRecords | undefined;
}

/**
 * Reads a tar's headers and passes over its contents, or lets `visit` have them. Whatever the bytes are, it ends with a list
 * and what was wrong; a visitor's error is among that.
 */
export async function listTar(source: ByteSource, visit?: TarVisitor): Promise<TarListing> {
  const state: State = { visit, files: [], problems: [], local: undefined, global: undefined };
  try {
    while (await readEntry(source, state));
  } catch (error) {
    state.problems.push(`entry ${String(state.files.length + 1)} of its tar: ${messageOf(error)}`);
  }
  return { files: state.files, problems: state.problems };
}

/** @returns whether another entry may follow. */
async function readEntry(source: ByteSource, state: State): Promise<boolean> {
  const block = await source.read(TAR_BLOCK_BYTES);
  if (block.byteLength < TAR_BLOCK_BYTES) return stop(state, "is cut off");
  const header = decodeHeader(block, state.local, state.global);
  if (header.nullBlock) return false;
  if (!header.cksumValid) return stop(state, "has a damaged header");
  if (state.files.length === MAX_FILES) return stop(state, `has more than ${String(MAX_FILES)} entries`);
  const sizeBytes = header.size;
  if (!isCount(sizeBytes)) return stop(state, "has a size that cannot be");
  if (isMeta(header)) return readMeta(source, state, { header, sizeBytes });
  const file = addFile(state, header, sizeBytes);
  const unreadBytes = await showContent(source, file, state.visit);
  const fits = await source.skip(unreadBytes + paddingBytes(sizeBytes));
  return fits || stop(state, "is cut off");
}

/** @returns how many bytes of the file are still to be passed over. */
async function showContent(source: ByteSource, file: TarFile, visit: TarVisitor | undefined): Promise<number> {
  let unreadBytes = file.sizeBytes;
  await visit?.(file, {
    async read(length) {
      const bytes = await source.read(Math.min(length, unreadBytes));
      unreadBytes -= bytes.byteLength;
      return bytes;
    },
  });
  return unreadBytes;
}

function addFile(state: State, header: DecodedHeader, sizeBytes: number): TarFile {
  // Not header.path alone: tar puts a ustar prefix in front of it even when the path comes from a pax header.
  const path = (state.local?.path ?? header.path ?? "").replace(/(?<=.)\/$/, "");
  if (path.split("/").includes("..")) stop(state, `names ${JSON.stringify(path)}, which leaves the image`);
  const { type, mode, uid, gid } = header;
  const file = { path, type, sizeBytes, mode: count(mode), uid: count(uid), gid: count(gid) };
  state.files.push(file);
  state.local = undefined;
  return file;
}

function isMeta({ type }: DecodedHeader): boolean {
  return type === "ExtendedHeader" || type === "GlobalExtendedHeader" || type.startsWith("NextFileHas");
}

interface Meta {
  readonly header: DecodedHeader;
  readonly sizeBytes: number;
}

/** Pax headers, and GNU's way of saying long paths. */
async function readMeta(source: ByteSource, state: State, { header, sizeBytes }: Meta): Promise<boolean> {
  if (sizeBytes > MAX_META_BYTES) return stop(state, "has an extended header of impossible size");
  const content = await source.read(sizeBytes);
  const fits = await source.skip(paddingBytes(sizeBytes));
  if (!fits || content.byteLength < sizeBytes) return stop(state, "is cut off");
  if (header.type === "GlobalExtendedHeader") state.global = decodePax(content, state.global, true);
  else if (header.type === "ExtendedHeader") state.local = decodePax(content, state.local, false);
  else state.local = longName(header, content, state.local);
  return true;
}

function longName(header: DecodedHeader, content: Buffer, known: PaxRecords | undefined): PaxRecords {
  const name = content.toString("utf8").replace(/\0[^]*$/, "");
  const field = header.type === "NextFileHasLongLinkpath" ? "linkpath" : "path";
  const records = known ?? decodePax(Buffer.alloc(0), undefined, false);
  records[field] = name;
  return records;
}

function stop(state: State, what: string): false {
  state.problems.push(`entry ${String(state.files.length + 1)} of its tar ${what}`);
  return false;
}

function count(value: unknown): number {
  return isCount(value) ? value : 0;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
