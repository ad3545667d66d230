import type { Extent } from "./data-extents.ts";

const BLOCK_BYTES = 512;
/** GNU tar fills up its last record. */
const RECORD_BYTES = 20 * BLOCK_BYTES;
const IN_HEADER = 4;
const IN_EXTENSION = 21;
const ENTRY_BYTES = 24;
const SPARSE_AT = 386;
const IS_EXTENDED_AT = 482;
const REAL_SIZE_AT = 483;
/** What is written in place of the checksum while it is computed. */
const CHECKSUM_AT = 148;

/**
 * The blocks in front of the one file of a tar in GNU's old format, sparse: `tar --format=oldgnu --sparse` writes the same. Owner,
 * mode and time are fixed, so that equal disks give equal tars.
 *
 * @param realBytes size of the file with its holes.
 */
export function sparseHeader(name: string, extents: readonly Extent[], realBytes: number): Buffer {
  const entries = withEnd(extents, realBytes);
  const storedBytes = extents.reduce((sum, { bytes }) => sum + bytes, 0);
  const header = Buffer.alloc(BLOCK_BYTES);
  header.write(name, 0, "latin1");
  header.write("0000644\0", 100, "latin1");
  header.write("0000000\0", 108, "latin1");
  header.write("0000000\0", 116, "latin1");
  writeNumber(header, 124, storedBytes);
  writeNumber(header, 136, 0);
  header.write("S", 156, "latin1");
  header.write("ustar  \0", 257, "latin1");
  writeEntries(header, SPARSE_AT, entries.slice(0, IN_HEADER));
  header[IS_EXTENDED_AT] = entries.length > IN_HEADER ? 1 : 0;
  writeNumber(header, REAL_SIZE_AT, realBytes);
  header.write(checksum(header), CHECKSUM_AT, "latin1");
  return Buffer.concat([header, ...extensions(entries.slice(IN_HEADER))]);
}

/** What follows `storedBytes` of content: two empty blocks, and the rest of the record. */
export function sparseTrailer(headerBytes: number, storedBytes: number): Buffer {
  const written = headerBytes + storedBytes + 2 * BLOCK_BYTES;
  return Buffer.alloc(2 * BLOCK_BYTES + ((RECORD_BYTES - (written % RECORD_BYTES)) % RECORD_BYTES));
}

/** A file that ends in a hole says so with an empty entry at its end. */
function withEnd(extents: readonly Extent[], realBytes: number): readonly Extent[] {
  const last = extents.at(-1);
  const end = last === undefined ? 0 : last.offset + last.bytes;
  return end < realBytes ? [...extents, { offset: realBytes, bytes: 0 }] : extents;
}

function extensions(entries: readonly Extent[]): Buffer[] {
  const blocks: Buffer[] = [];
  for (let from = 0; from < entries.length; from += IN_EXTENSION) {
    const block = Buffer.alloc(BLOCK_BYTES);
    writeEntries(block, 0, entries.slice(from, from + IN_EXTENSION));
    block[IN_EXTENSION * ENTRY_BYTES] = from + IN_EXTENSION < entries.length ? 1 : 0;
    blocks.push(block);
  }
  return blocks;
}

function writeEntries(block: Buffer, at: number, entries: readonly Extent[]): void {
  entries.forEach(({ offset, bytes }, index) => {
    writeNumber(block, at + index * ENTRY_BYTES, offset);
    writeNumber(block, at + index * ENTRY_BYTES + 12, bytes);
  });
}

/** Eleven octal digits, or, from 8 GiB on, GNU's form: a set high bit and the number itself, highest byte first. */
function writeNumber(block: Buffer, at: number, value: number): void {
  if (value < 8 ** 11) {
    block.write(`${value.toString(8).padStart(11, "0")}\0`, at, "latin1");
    return;
  }
  block[at] = 0x80;
  block.writeBigUInt64BE(BigInt(value), at + 4);
}

function checksum(header: Buffer): string {
  header.fill(0x20, CHECKSUM_AT, CHECKSUM_AT + 8);
  const sum = header.reduce((total, byte) => total + byte, 0);
  return `${sum.toString(8).padStart(6, "0")}\0 `;
}
