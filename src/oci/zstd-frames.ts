import type { ByteSource } from "./byte-source.ts";

const FRAME = 0xfd2fb528;
/** The last four bits of a skippable frame's magic number are free. */
const SKIPPABLE = 0x184d2a50;

/** Data that is not what zstd writes; `message` follows on "it ". */
export class ZstdDamage extends Error {
  override readonly name = "ZstdDamage";
}

/**
 * Cuts zstd data so that every frame ends with a piece, and leaves out the frames that hold no data: Node's decompressor takes the
 * end of a frame for the end of all data when something follows in the same piece, without saying so. Layers that can be fetched in
 * parts (zstd:chunked) and those compressed by many threads have many frames.
 *
 * RFC 8878, section 3.1.1.
 *
 * @throws ZstdDamage
 */
export async function* zstdFrames(source: ByteSource): AsyncGenerator<Buffer> {
  for (;;) {
    const magic = await source.read(4);
    if (magic.byteLength === 0) return;
    const number = magic.byteLength === 4 ? magic.readUInt32LE() : 0;
    if (number === FRAME) yield* frame(source, magic);
    else if ((number & ~0xf) >>> 0 === SKIPPABLE) await skipFrame(source);
    else throw new ZstdDamage("is followed by something else than zstd data");
  }
}

async function skipFrame(source: ByteSource): Promise<void> {
  const sizeBytes = (await exactly(source, 4)).readUInt32LE();
  if (!(await source.skip(sizeBytes))) throw new ZstdDamage("is cut off");
}

async function* frame(source: ByteSource, magic: Buffer): AsyncGenerator<Buffer> {
  const descriptor = await exactly(source, 1);
  const flags = descriptor.readUInt8();
  yield Buffer.concat([magic, descriptor, await exactly(source, headerBytes(flags))]);
  for (let last = false; !last;) {
    const header = await exactly(source, 3);
    const fields = header.readUIntLE(0, 3);
    last = (fields & 1) === 1;
    // A block that repeats one byte holds only that, however often it is to be repeated.
    const contentBytes = ((fields >> 1) & 3) === 1 ? 1 : fields >> 3;
    const checksumBytes = last && (flags & 0b100) !== 0 ? 4 : 0;
    yield Buffer.concat([header, await exactly(source, contentBytes + checksumBytes)]);
  }
}

/** What a frame's header still has after the byte with its flags: window, dictionary, size of the content. */
function headerBytes(flags: number): number {
  const isSingleSegment = (flags & 0b10_0000) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][flags & 0b11] ?? 0;
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][flags >> 6] ?? 0;
  return (isSingleSegment ? 0 : 1) + dictionaryBytes + sizeBytes;
}

async function exactly(source: ByteSource, length: number): Promise<Buffer> {
  const bytes = await source.read(length);
  if (bytes.byteLength < length) throw new ZstdDamage("is cut off");
  return bytes;
}
