/** Where a disk holds something: what lies between is zeros. */
export interface Extent {
  readonly offset: number;
  readonly bytes: number;
}

/** Finer would make the list longer than what it saves; every extent is a whole number of these. */
export const EXTENT_UNIT_BYTES = 64 * 1024;
const ZEROS = Buffer.alloc(EXTENT_UNIT_BYTES);

/**
 * Reads a raw disk once and lists where it holds something. By content, not by what a file system or format has allocated: the same
 * disk has the same list however it is kept.
 */
export async function dataExtents(pieces: AsyncIterable<Uint8Array>): Promise<readonly Extent[]> {
  const extents: { offset: number; bytes: number }[] = [];
  let at = 0;
  for await (const piece of pieces) {
    for (let from = 0; from < piece.length;) {
      const take = Math.min(piece.length - from, EXTENT_UNIT_BYTES - (at % EXTENT_UNIT_BYTES));
      if (!isZero(piece.subarray(from, from + take))) hold(extents, at - (at % EXTENT_UNIT_BYTES));
      from += take;
      at += take;
    }
  }
  return extents;
}

function hold(extents: { offset: number; bytes: number }[], offset: number): void {
  const last = extents.at(-1);
  const end = last === undefined ? -1 : last.offset + last.bytes;
  // Another part of a unit that is held already.
  if (end > offset) return;
  if (last && end === offset) last.bytes += EXTENT_UNIT_BYTES;
  else extents.push({ offset, bytes: EXTENT_UNIT_BYTES });
}

/** For any number of bytes. */
export function isZero(bytes: Uint8Array): boolean {
  for (let from = 0; from < bytes.length; from += ZEROS.length) {
    const length = Math.min(ZEROS.length, bytes.length - from);
    if (ZEROS.compare(bytes, from, from + length, 0, length) !== 0) return false;
  }
  return true;
}
