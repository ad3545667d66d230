/** Bytes in a sector of an optical disc; everything in ISO 9660 is counted in them. */
const SECTOR = 2048;
const PATH_TABLE_L = 18;
const PATH_TABLE_M = 19;
const ROOT = 20;
const FIRST_FILE = 21;
/** Names of a folder's records for itself and for the one above (ECMA-119 7.6.2). */
const SELF = "\0";
const PARENT = "\u0001";
/** A path table that holds the root alone. */
const PATH_TABLE_BYTES = 10;

interface Extent {
  readonly name: string;
  readonly sector: number;
  readonly data: Buffer;
}

/**
 * A read-only disc image (ECMA-119) with a handful of files in its root: what a NoCloud seed needs, made without a
 * host tool. No Rock Ridge, no Joliet: Linux shows plain ISO names in lower case without the version, which is how
 * `USER-DATA;1` becomes `user-data`. No time stamps, so equal files give equal bytes.
 *
 * @param label volume identifier, at most 32 characters; what blkid shows as LABEL.
 * @param files by lower-case name of at most 28 characters; the directory must fit one sector (about 30 files).
 */
export function isoImage(label: string, files: Readonly<Record<string, string>>): Uint8Array {
  const extents = layOut(files);
  const last = extents.at(-1);
  const sectors = last ? last.sector + sectorsOf(last.data) : FIRST_FILE;
  const image = Buffer.alloc(sectors * SECTOR);
  volumeDescriptor(label, sectors).copy(image, 16 * SECTOR);
  Buffer.from("\u00ffCD001\u0001", "latin1").copy(image, 17 * SECTOR);
  pathTable("LE").copy(image, PATH_TABLE_L * SECTOR);
  pathTable("BE").copy(image, PATH_TABLE_M * SECTOR);
  rootDirectory(extents).copy(image, ROOT * SECTOR);
  for (const extent of extents) extent.data.copy(image, extent.sector * SECTOR);
  return image;
}

function layOut(files: Readonly<Record<string, string>>): Extent[] {
  let sector = FIRST_FILE;
  return Object.entries(files)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, content]) => {
      const extent = { name: `${name.toUpperCase()};1`, sector, data: Buffer.from(content, "utf8") };
      sector += sectorsOf(extent.data);
      return extent;
    });
}

function sectorsOf(data: Buffer): number {
  return Math.ceil(data.length / SECTOR);
}

/** ECMA-119 8.4, the primary volume descriptor; fields that stay zero or blank are not named. */
function volumeDescriptor(label: string, sectors: number): Buffer {
  const descriptor = Buffer.alloc(SECTOR);
  descriptor.write("\u0001CD001\u0001", 0, "latin1");
  descriptor.fill(" ", 8, 72);
  descriptor.write(label.slice(0, 32), 40, "latin1");
  both32(descriptor, 80, sectors);
  both16(descriptor, 120, 1);
  both16(descriptor, 124, 1);
  both16(descriptor, 128, SECTOR);
  both32(descriptor, 132, PATH_TABLE_BYTES);
  descriptor.writeUInt32LE(PATH_TABLE_L, 140);
  descriptor.writeUInt32BE(PATH_TABLE_M, 148);
  record(SELF, ROOT, SECTOR).copy(descriptor, 156);
  descriptor.fill(" ", 190, 813);
  // "No time" is sixteen zero digits and a zero offset (8.4.26.1).
  for (const offset of [813, 830, 847, 864]) descriptor.write("0".repeat(16), offset, "latin1");
  descriptor[881] = 1;
  return descriptor;
}

function pathTable(order: "LE" | "BE"): Buffer {
  const table = Buffer.alloc(PATH_TABLE_BYTES);
  table[0] = 1;
  if (order === "LE") table.writeUInt32LE(ROOT, 2);
  else table.writeUInt32BE(ROOT, 2);
  if (order === "LE") table.writeUInt16LE(1, 6);
  else table.writeUInt16BE(1, 6);
  return table;
}

function rootDirectory(extents: readonly Extent[]): Buffer {
  const entries = extents.map(({ name, sector, data }) => record(name, sector, data.length));
  return Buffer.concat([record(SELF, ROOT, SECTOR), record(PARENT, ROOT, SECTOR), ...entries]);
}

/** ECMA-119 9.1, a directory record. */
function record(name: string, sector: number, bytes: number): Buffer {
  const folder = name === SELF || name === PARENT;
  const length = 33 + name.length + (name.length % 2 === 0 ? 1 : 0);
  const entry = Buffer.alloc(length);
  entry[0] = length;
  both32(entry, 2, sector);
  both32(entry, 10, bytes);
  entry[25] = folder ? 2 : 0;
  both16(entry, 28, 1);
  entry[32] = name.length;
  entry.write(name, 33, "latin1");
  return entry;
}

/** Numbers stand in both byte orders, little-endian first. */
function both32(buffer: Buffer, offset: number, value: number): void {
  buffer.writeUInt32LE(value, offset);
  buffer.writeUInt32BE(value, offset + 4);
}

function both16(buffer: Buffer, offset: number, value: number): void {
  buffer.writeUInt16LE(value, offset);
  buffer.writeUInt16BE(value, offset + 2);
}
