/**
 * Headers of a tar as bytes. Names, link targets and attribute values are *byte texts* here: one character per byte (Latin-1), because
 * Linux does not ask them to be UTF-8 and an image's must arrive unchanged. The `tar` library decodes them, so it cannot be used.
 */
import { TAR_BLOCK_BYTES, paddingBytes } from "../oci/tar-header.ts";
import { damagedLayer } from "./layer-problems.ts";

/** What a file has beside name, kind and content. */
export interface Attributes {
  /** The lower 12 bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970 as a decimal number, with a fraction where there is one. */
  readonly mtime: string;
  /** Extended attributes by name; undefined without any. */
  readonly xattrs: ReadonlyMap<string, string> | undefined;
}

const TYPE_FLAGS = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  "character-device": "3",
  "block-device": "4",
  directory: "5",
  fifo: "6",
} as const;

export type MemberType = keyof typeof TYPE_FLAGS;

/** A file in a tar; its content follows apart. */
export interface Member extends Attributes {
  readonly path: string;
  readonly type: MemberType;
  readonly sizeBytes: number;
  /** Of hard links and symbolic links, otherwise empty. */
  readonly linkPath: string;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

export const XATTR_RECORD = "SCHILY.xattr.";

const TYPES: ReadonlyMap<string, MemberType> = new Map(
  Object.entries(TYPE_FLAGS).map(([type, flag]) => [flag, type as MemberType]),
);

/** What a header's flag stands for; undefined for other flags, among them those of extended headers. */
export function memberType(typeFlag: string): MemberType | undefined {
  return TYPES.get(typeFlag);
}

/** The fields of one header block as they are there. */
export interface RawHeader extends Omit<Member, "type" | "xattrs"> {
  readonly typeFlag: string;
}

/** Reads a block that is not all zeros. @throws {KvciError} `layout-invalid` */
export function decodeBlock(block: Buffer): RawHeader {
  if (!hasRightChecksum(block)) throw damagedLayer("has a damaged header");
  const magic = block.toString("latin1", 257, 263);
  const [isPosix, isGnu] = [magic === "ustar\0", magic === "ustar "];
  const prefix = isPosix ? textAt(block, 345, 155) : "";
  const name = textAt(block, 0, 100);
  return {
    path: prefix === "" ? name : `${prefix}/${name}`,
    typeFlag: block.toString("latin1", 156, 157),
    sizeBytes: numberAt(block, 124, 12),
    mode: numberAt(block, 100, 8) & 0o7777,
    uid: numberAt(block, 108, 8),
    gid: numberAt(block, 116, 8),
    mtime: String(numberAt(block, 136, 12)),
    linkPath: textAt(block, 157, 100),
    deviceMajor: isPosix || isGnu ? numberAt(block, 329, 8) : 0,
    deviceMinor: isPosix || isGnu ? numberAt(block, 337, 8) : 0,
  };
}

/** Bytes up to the first zero. */
function textAt(block: Buffer, offset: number, length: number): string {
  return block.toString("latin1", offset, offset + length).replace(/\0[^]*$/, "");
}

/** Octal digits, or, with the highest bit set, a binary number. */
function numberAt(block: Buffer, offset: number, length: number): number {
  const field = block.subarray(offset, offset + length);
  if (((field[0] ?? 0) & 0x80) !== 0) return binaryNumber(field);
  const digits = field.toString("latin1").replace(/^[ \0]+|[ \0]+$/g, "");
  if (digits === "") return 0;
  if (!/^[0-7]+$/.test(digits)) throw damagedLayer("has a header with something else than a number in it");
  return Number.parseInt(digits, 8);
}

function binaryNumber(field: Buffer): number {
  // Two's complement below the bit that says it is binary.
  const number = Number(BigInt.asIntN(field.byteLength * 8 - 1, BigInt(`0x${field.toString("hex")}`)));
  if (!Number.isSafeInteger(number)) throw damagedLayer("has a header with an impossible number");
  return number;
}

const CHECKSUM = { start: 148, end: 156 };

function hasRightChecksum(block: Buffer): boolean {
  const said = numberAt(block, CHECKSUM.start, CHECKSUM.end - CHECKSUM.start);
  // Some old programs summed signed bytes.
  return said === checksum(block, (byte) => byte) || said === checksum(block, (byte) => (byte << 24) >> 24);
}

/** The sum of a block's bytes, in which the checksum itself counts as spaces. */
function checksum(block: Buffer, valueOf: (byte: number) => number): number {
  let sum = 8 * 0x20;
  for (const [index, byte] of block.entries()) {
    if (index < CHECKSUM.start || index >= CHECKSUM.end) sum += valueOf(byte);
  }
  return sum;
}

/** The records of a pax header's content; the last of a name counts. @throws {KvciError} `layout-invalid` */
export function decodePaxRecords(content: Buffer): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  const text = content.toString("latin1");
  for (let start = 0; start < text.length;) {
    const digits = /^\d{1,10}(?= )/.exec(text.slice(start, start + 11))?.[0] ?? "0";
    const end = start + Number(digits);
    const record = text.slice(start + digits.length + 1, end);
    const equals = record.indexOf("=");
    if (equals < 1 || !record.endsWith("\n") || end > text.length) throw damagedLayer("has a damaged pax header");
    records.set(record.slice(0, equals), record.slice(equals + 1, -1));
    start = end;
  }
  return records;
}

/** One record of a pax header: its own length in decimal, counted with itself, then name and value. */
export function encodePaxRecord(name: string, value: string): string {
  const rest = ` ${name}=${value}\n`;
  let length = rest.length;
  while (length !== rest.length + String(length).length) length = rest.length + String(length).length;
  return `${length}${rest}`;
}

/** The blocks in front of a member's content: its header, after a pax header where that cannot say everything. */
export function encodeMember(member: Member): Buffer {
  const path = member.type === "directory" ? `${member.path}/` : member.path;
  const [prefix, name] = splitPath(path);
  const records = paxRecords({ ...member, path });
  const header = encodeBlock({ ...member, path: name, typeFlag: TYPE_FLAGS[member.type] }, prefix);
  if (records === "") return header;
  const plain = { mode: 0o644, uid: 0, gid: 0, mtime: "0", linkPath: "", deviceMajor: 0, deviceMinor: 0 };
  const pax = encodeBlock({ ...plain, path: "PaxHeader", typeFlag: "x", sizeBytes: records.length }, "");
  const padding = Buffer.alloc(paddingBytes(records.length));
  return Buffer.concat([pax, Buffer.from(records, "latin1"), padding, header]);
}

const MAX = { name: 100, prefix: 155, link: 100, id: 0o7777777, big: 0o77777777777 };

/** A path of more than 100 bytes fits a header in two parts if there is a slash in the right place. */
function splitPath(path: string): readonly [prefix: string, name: string] {
  if (path.length <= MAX.name) return ["", path];
  const slash = path.lastIndexOf("/", Math.min(MAX.prefix, path.length - 2));
  const fits = slash > 0 && path.length - slash - 1 <= MAX.name;
  return fits ? [path.slice(0, slash), path.slice(slash + 1)] : ["", path];
}

function paxRecords(member: Member): string {
  const { path, linkPath, sizeBytes, uid, gid, mtime, xattrs } = member;
  const needed: (readonly [name: string, value: string | number, isNeeded: boolean])[] = [
    ["path", path, splitPath(path)[1].length > MAX.name],
    ["linkpath", linkPath, linkPath.length > MAX.link],
    ["size", sizeBytes, sizeBytes > MAX.big],
    ["uid", uid, uid > MAX.id],
    ["gid", gid, gid > MAX.id],
    ["mtime", mtime, !/^\d+$/.test(mtime) || Number(mtime) > MAX.big],
  ];
  // GNU tar takes %25 and %3D in these names for the characters themselves.
  const ofXattrs = [...(xattrs ?? [])].map(([name, value]) =>
    encodePaxRecord(`${XATTR_RECORD}${name.replaceAll("%", "%25")}`, value),
  );
  const fields = needed.filter(([, , isNeeded]) => isNeeded);
  return [...fields.map(([name, value]) => encodePaxRecord(name, String(value))), ...ofXattrs].join("");
}

/** Fields that are too small are cut off: a pax header says them. */
function encodeBlock(header: RawHeader, prefix: string): Buffer {
  const block = Buffer.alloc(TAR_BLOCK_BYTES);
  const text = (value: string, offset: number, length: number): void => {
    block.write(value.slice(0, length), offset, "latin1");
  };
  const octal = (value: number, offset: number, length: number): void => {
    const fitting = Math.min(Math.max(0, value), 8 ** (length - 1) - 1);
    text(fitting.toString(8).padStart(length - 1, "0"), offset, length);
  };
  text(header.path, 0, MAX.name);
  octal(header.mode, 100, 8);
  octal(header.uid, 108, 8);
  octal(header.gid, 116, 8);
  octal(header.sizeBytes, 124, 12);
  octal(Math.floor(Number(header.mtime)), 136, 12);
  text(header.typeFlag, 156, 1);
  text(header.linkPath, 157, MAX.link);
  text("ustar\x0000", 257, 8);
  octal(header.deviceMajor, 329, 8);
  octal(header.deviceMinor, 337, 8);
  text(prefix, 345, MAX.prefix);
  text(
    `${checksum(block, (byte) => byte)
      .toString(8)
      .padStart(6, "0")}\0 `,
    CHECKSUM.start,
    8,
  );
  return block;
}
