/** Bytes in a sector, in partition tables of virtual disks. */
export const SECTOR_BYTES = 512;

/** A partition's place on the disk, in bytes. */
export interface Partition {
  readonly number: number;
  readonly offset: number;
  readonly bytes: number;
}

/** Sectors that hold a GPT: protective MBR, header and 128 entries of 128 bytes. */
export const TABLE_SECTORS = 34;

/**
 * Partitions of the first 34 sectors of a disk: GPT, or else the MBR's four. A disk without a table gives none.
 * See UEFI 2.10, 5.3.
 */
export function partitionsOf(table: Buffer): Partition[] {
  const header = table.subarray(SECTOR_BYTES, 2 * SECTOR_BYTES);
  return header.toString("latin1", 0, 8) === "EFI PART" ? gptPartitions(table, header) : mbrPartitions(table);
}

function gptPartitions(table: Buffer, header: Buffer): Partition[] {
  const start = Number(header.readBigUInt64LE(72)) * SECTOR_BYTES;
  const count = Math.min(header.readUInt32LE(80), 128);
  const size = header.readUInt32LE(84);
  const partitions: Partition[] = [];
  for (let index = 0; index < count; index++) {
    const entry = table.subarray(start + index * size, start + (index + 1) * size);
    if (entry.length < 48 || entry.subarray(0, 16).every((byte) => byte === 0)) continue;
    const first = Number(entry.readBigUInt64LE(32));
    const last = Number(entry.readBigUInt64LE(40));
    partitions.push({ number: index + 1, offset: first * SECTOR_BYTES, bytes: (last - first + 1) * SECTOR_BYTES });
  }
  return partitions;
}

function mbrPartitions(table: Buffer): Partition[] {
  if (table.length < SECTOR_BYTES || table.readUInt16LE(510) !== 0xaa55) return [];
  return [0, 1, 2, 3].flatMap((index) => {
    const entry = table.subarray(446 + index * 16, 462 + index * 16);
    const bytes = entry.readUInt32LE(12) * SECTOR_BYTES;
    return entry[4] === 0 || bytes === 0
      ? []
      : [{ number: index + 1, offset: entry.readUInt32LE(8) * SECTOR_BYTES, bytes }];
  });
}
