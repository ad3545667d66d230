/** How Go writes what containerd keeps in its databases. */

/** Seconds from the beginning of year 1, where Go's time begins, to 1970. */
const UNIX_SECONDS = 62_135_596_800n;
const TIME_VERSION = 1;
/** Minutes east of UTC; this stands for UTC itself. */
const UTC = -1;

/** A time as `time.Time.MarshalBinary` has it. @param atMs milliseconds since 1970. */
export function goTime(atMs: number): Buffer {
  const bytes = Buffer.alloc(15);
  bytes.writeUInt8(TIME_VERSION, 0);
  bytes.writeBigInt64BE(UNIX_SECONDS + BigInt(Math.floor(atMs / 1000)), 1);
  bytes.writeInt32BE((atMs % 1000) * 1_000_000, 9);
  bytes.writeInt16BE(UTC, 13);
  return bytes;
}

/** An unsigned number as `binary.PutUvarint` writes it: seven bits a byte, the lowest first. */
export function uvarint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}

/** A signed number as `binary.PutVarint` writes it; none here is below zero. */
export function varint(value: bigint): Buffer {
  return uvarint(value * 2n);
}

/** What `uvarint` wrote; undefined for anything else. */
export function readUvarint(bytes: Uint8Array): bigint | undefined {
  let value = 0n;
  for (const [index, byte] of bytes.entries()) {
    value |= BigInt(byte & 0x7f) << BigInt(7 * index);
    if (byte < 0x80) return index + 1 === bytes.length ? value : undefined;
  }
  return undefined;
}
