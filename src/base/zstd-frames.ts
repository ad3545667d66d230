import { createReadStream } from "node:fs";
import { open, stat, type FileHandle } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createZstdDecompress } from "node:zlib";
import { withDisposal } from "../core/disposal.ts";
import type { ByteRange } from "./byte-ranges.ts";
import { unpackFailure } from "./unpack-failure.ts";

/** See RFC 8878, section 3. */
const FRAME_MAGIC = 0xfd2fb528;
/** Of frames that hold no data; the last four bits are free. */
const SKIPPABLE_MAGIC = 0x184d2a50;
const LONGEST_FRAME_HEADER_BYTES = 18;
const BLOCK_HEADER_BYTES = 3;
const CHECKSUM_BYTES = 4;
/** Sizes of the dictionary id and of the content size by their two bits in the frame header's descriptor. */
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;
const RLE_BLOCK = 1;

/**
 * The content of a zstd file. Node's own stream ends with the first frame, where pzstd and others write many, and that of
 * Node 22 takes a file that was cut short for a whole one; so the frames are found first, and unpacked one by one.
 *
 * @throws {KvciError} `base-failed` when frames are cut short or something else is between them; zlib's errors.
 */
export async function* zstdContent(path: string, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  for (const { start, end } of await zstdFrames(path, signal)) {
    const unpack = createZstdDecompress();
    const packed = createReadStream(path, { start, end: end - 1, highWaterMark: 1024 * 1024 });
    // What fails on the way destroys `unpack`, so whoever reads from that sees it.
    pipeline(packed, unpack, { signal }).catch(() => undefined);
    yield* unpack as AsyncIterable<Uint8Array>;
  }
}

/** Where the frames with data are; only headers are read, some 100 KB apart. */
async function zstdFrames(path: string, signal: AbortSignal): Promise<ByteRange[]> {
  const { size } = await stat(path);
  return withDisposal(await open(path, "r"), async (file) => {
    const frames: ByteRange[] = [];
    for (let start = 0; start < size;) {
      const { end, skippable } = await frameAt(file, start, signal);
      if (end === undefined) throw unpackFailure(path, `there is no zstd frame at byte ${String(start)}`);
      if (end > size) throw unpackFailure(path, "the file is cut short");
      if (!skippable) frames.push({ start, end });
      start = end;
    }
    return frames;
  });
}

interface Frame {
  /** Byte after the frame, maybe beyond the file's end; undefined when this is no frame. */
  readonly end: number | undefined;
  readonly skippable: boolean;
}

async function frameAt(file: FileHandle, start: number, signal: AbortSignal): Promise<Frame> {
  const header = await readAt(file, start, LONGEST_FRAME_HEADER_BYTES);
  const magic = header.readUInt32LE(0);
  if ((magic & ~0xf) >>> 0 === SKIPPABLE_MAGIC) return { end: start + 8 + header.readUInt32LE(4), skippable: true };
  if (magic !== FRAME_MAGIC) return { end: undefined, skippable: false };
  const descriptor = header.readUInt8(4);
  const blocks = await endOfBlocks(file, start + frameHeaderBytes(descriptor), signal);
  const hasChecksum = (descriptor & 0b100) !== 0;
  return { end: blocks + (hasChecksum ? CHECKSUM_BYTES : 0), skippable: false };
}

function frameHeaderBytes(descriptor: number): number {
  const isSingleSegment = (descriptor & 0b10_0000) !== 0;
  const dictionaryId = DICTIONARY_ID_BYTES[(descriptor & 0b11) as 0 | 1 | 2 | 3];
  const contentSize = CONTENT_SIZE_BYTES[(descriptor >> 6) as 0 | 1 | 2 | 3];
  // Magic and descriptor; a single segment has no window descriptor, and at least a byte of content size instead.
  return 5 + (isSingleSegment ? Math.max(1, contentSize) : 1 + contentSize) + dictionaryId;
}

async function endOfBlocks(file: FileHandle, start: number, signal: AbortSignal): Promise<number> {
  let position = start;
  for (;;) {
    signal.throwIfAborted();
    const header = (await readAt(file, position, BLOCK_HEADER_BYTES)).readUIntLE(0, BLOCK_HEADER_BYTES);
    const [isLast, type, sizeBytes] = [(header & 1) === 1, (header >> 1) & 0b11, header >> 3];
    position += BLOCK_HEADER_BYTES + (type === RLE_BLOCK ? 1 : sizeBytes);
    if (isLast) return position;
  }
}

/** Bytes beyond the file's end read as ones: a block header of those is the last of its frame, and ends beyond the file. */
async function readAt(file: FileHandle, position: number, lengthBytes: number): Promise<Buffer> {
  const { buffer } = await file.read(Buffer.alloc(lengthBytes, 0xff), 0, lengthBytes, position);
  return buffer;
}
