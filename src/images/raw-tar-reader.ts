import type { ByteSource } from "../oci/byte-source.ts";
import { paddingBytes, TAR_BLOCK_BYTES } from "../oci/tar-header.ts";
import { damagedLayer, notConvertible, quoted } from "./layer-problems.ts";
import {
  decodeBlock,
  decodePaxRecords,
  memberType,
  XATTR_RECORD,
  type Member,
  type MemberType,
  type RawHeader,
} from "./raw-tar.ts";

/** As Go's reader: an extended header longer than this is none. */
const MAX_EXTENDED_BYTES = 1024 * 1024;

/** Gets every member in turn; `content` ends with it, and what is not read of it is passed over. */
export type MemberVisitor = (member: Member, content: Pick<ByteSource, "read">) => Promise<void>;

/** What extended headers said of the member that follows. */
interface Extended {
  records: ReadonlyMap<string, string>;
  longPath: string;
  longLinkPath: string;
}

const nothing = (): Extended => ({ records: new Map(), longPath: "", longLinkPath: "" });

/**
 * Reads a tar as Go's `archive/tar` does, which containerd uses, and then whatever follows it, to the end of the source.
 *
 * @throws {KvciError} `layout-invalid` for what is no tar.
 * @throws {NotConvertible} for members other than files, directories, links, devices and pipes, and for sparse files.
 */
export async function readMembers(source: ByteSource, visit: MemberVisitor): Promise<void> {
  let extended = nothing();
  for (;;) {
    const header = await nextHeader(source);
    if (header === undefined) break;
    if (isExtension(header.typeFlag)) {
      extended = await readExtension(source, header, extended);
      continue;
    }
    await visitMember(source, mergeHeader(header, extended), visit);
    extended = nothing();
  }
  await source.skip(Infinity);
}

/** @returns undefined at the tar's end: two blocks of zeros, or the end of its bytes. */
async function nextHeader(source: ByteSource): Promise<RawHeader | undefined> {
  const block = await readBlock(source);
  if (block === undefined) return undefined;
  if (!isZero(block)) return decodeBlock(block);
  const second = await readBlock(source);
  if (second === undefined || isZero(second)) return undefined;
  throw damagedLayer("goes on after a block of zeros");
}

async function readBlock(source: ByteSource): Promise<Buffer | undefined> {
  const block = await source.read(TAR_BLOCK_BYTES);
  if (block.byteLength === 0) return undefined;
  if (block.byteLength < TAR_BLOCK_BYTES) throw cutOff();
  return block;
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

function cutOff(): Error {
  return damagedLayer("is cut off");
}

function isExtension(typeFlag: string): boolean {
  return ["x", "g", "L", "K"].includes(typeFlag);
}

async function readExtension(source: ByteSource, header: RawHeader, known: Extended): Promise<Extended> {
  const { typeFlag, sizeBytes } = header;
  if (sizeBytes < 0 || sizeBytes > MAX_EXTENDED_BYTES) throw damagedLayer("has an extended header of impossible size");
  const content = await source.read(sizeBytes);
  if (content.byteLength < sizeBytes || !(await source.skip(paddingBytes(sizeBytes)))) throw cutOff();
  // containerd hands what is said of all members to nobody.
  if (typeFlag === "g") return nothing();
  if (typeFlag === "x") return { ...known, records: decodePaxRecords(content) };
  const name = content.toString("latin1").replace(/\0[^]*$/, "");
  return typeFlag === "L" ? { ...known, longPath: name } : { ...known, longLinkPath: name };
}

function mergeHeader(header: RawHeader, { records, longPath, longLinkPath }: Extended): Member {
  if ([...records.keys()].some((name) => name.startsWith("GNU.sparse."))) throw notConvertible("holds a sparse file");
  // An empty record takes the header's field back.
  const text = (name: string, otherwise: string): string => records.get(name) || otherwise;
  const path = longPath || text("path", header.path);
  const linkPath = longLinkPath || text("linkpath", header.linkPath);
  if (`${path}${linkPath}`.includes("\0")) throw damagedLayer("has a name with a zero byte in it");
  const type = typeOf(header.typeFlag, path);
  return {
    ...header,
    path,
    type,
    linkPath: ["symlink", "hardlink"].includes(type) ? linkPath : "",
    sizeBytes: contentBytes(type, text("size", String(header.sizeBytes))),
    uid: decimal(text("uid", String(header.uid))),
    gid: decimal(text("gid", String(header.gid))),
    mtime: timeOf(text("mtime", header.mtime)),
    xattrs: xattrsOf(records),
  };
}

/** Only files have content, whatever the headers of others say. */
function contentBytes(type: MemberType, text: string): number {
  const sizeBytes = type === "file" ? decimal(text) : 0;
  if (sizeBytes < 0) throw damagedLayer("has a file of impossible size");
  return sizeBytes;
}

function typeOf(typeFlag: string, path: string): MemberType {
  // Before POSIX, directories were files whose name ended with a slash.
  if (typeFlag === "\0") return path.endsWith("/") ? "directory" : "file";
  const type = memberType(typeFlag);
  if (type === undefined) {
    throw notConvertible(`holds ${quoted(path)}, of the unknown type ${JSON.stringify(typeFlag)}`);
  }
  return type;
}

function decimal(text: string): number {
  const number = /^-?\d+$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(number)) throw damagedLayer(`has ${JSON.stringify(text)} where a number should be`);
  return number;
}

/** The last second that fits 64 bits of nanoseconds, in which containerd holds times. */
const MAX_SECONDS = 9_223_372_036;

/** A time as containerd sets it: nanoseconds at most, and what is out of its range is 1970. */
function timeOf(text: string): string {
  const [, seconds, fraction = ""] = /^(-?\d+)(?:\.(\d*))?$/.exec(text) ?? [];
  if (seconds === undefined) throw damagedLayer(`has ${JSON.stringify(text)} where a time should be`);
  if (seconds.startsWith("-") || Number(seconds) > MAX_SECONDS) return "0";
  const nanoseconds = fraction.slice(0, 9).replace(/0+$/, "");
  return `${Number(seconds)}${nanoseconds === "" ? "" : `.${nanoseconds}`}`;
}

function xattrsOf(records: ReadonlyMap<string, string>): ReadonlyMap<string, string> | undefined {
  const own = [...records].filter(([name]) => name.startsWith(XATTR_RECORD));
  if (own.length === 0) return undefined;
  return new Map(own.map(([name, value]) => [name.slice(XATTR_RECORD.length), value]));
}

async function visitMember(source: ByteSource, member: Member, visit: MemberVisitor): Promise<void> {
  let unreadBytes = member.sizeBytes;
  await visit(member, {
    async read(length) {
      const bytes = await source.read(Math.min(length, unreadBytes));
      if (bytes.byteLength === 0 && unreadBytes > 0) throw cutOff();
      unreadBytes -= bytes.byteLength;
      return bytes;
    },
  });
  const skipped = await source.skip(unreadBytes + paddingBytes(member.sizeBytes));
  if (!skipped) throw cutOff();
}
