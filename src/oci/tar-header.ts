import { Header } from "tar/header";
import { Pax } from "tar/pax";

/** Everything in a tar comes in blocks of this many bytes. */
export const TAR_BLOCK_BYTES = 512;
/** A tar ends with two blocks of zeros. */
export const TAR_END_BYTES = 2 * TAR_BLOCK_BYTES;

/** What a tar says of one file or directory. Owners are numbers only: names are a host's business. */
export interface TarEntry {
  /** Relative, without trailing slash. */
  readonly path: string;
  readonly type: "file" | "directory";
  readonly sizeBytes: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly mtimeSeconds: number;
}

/**
 * The blocks in front of an entry's content: a ustar header, preceded by a pax header only where ustar cannot say it
 * (more than 8 GiB, long or non-ASCII paths), so that small images stay readable by everything.
 */
export function encodeHeader(entry: TarEntry): Buffer {
  const data = {
    path: entry.type === "directory" ? `${entry.path}/` : entry.path,
    type: entry.type === "directory" ? ("Directory" as const) : ("File" as const),
    size: entry.sizeBytes,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    mtime: new Date(entry.mtimeSeconds * 1000),
  };
  const block = Buffer.alloc(TAR_BLOCK_BYTES);
  const needsPax = new Header(data).encode(block);
  return needsPax ? Buffer.concat([new Pax(data).encode(), block]) : block;
}

/** Zero bytes that fill the last block of `sizeBytes` of content. */
export function paddingBytes(sizeBytes: number): number {
  return (TAR_BLOCK_BYTES - (sizeBytes % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES;
}

export type DecodedHeader = Header;
export type PaxRecords = Pax;

/**
 * One header block, with the pax records that precede it applied. Its fields hold whatever the bytes said.
 * Throws plain errors for numbers and types that cannot be: the caller knows the file to blame.
 */
export function decodeHeader(
  block: Buffer,
  local: PaxRecords | undefined,
  global: PaxRecords | undefined,
): DecodedHeader {
  return new Header(block, 0, local, global);
}

/** The records of a pax header's content, on top of those known already. */
export function decodePax(content: Buffer, known: PaxRecords | undefined, global: boolean): PaxRecords {
  return Pax.parse(content.toString("utf8"), known, global);
}
