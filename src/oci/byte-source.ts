import type { FileHandle } from "node:fs/promises";

/** Bytes that are read from front to back. */
export interface ByteSource {
  /** The next `length` bytes; fewer only at the end. */
  read(length: number): Promise<Buffer>;
  /** Passes over `length` bytes; false when there are not as many. */
  skip(length: number): Promise<boolean>;
}

/** A file, in which passing over costs nothing. */
export function fileSource(handle: FileHandle, sizeBytes: number): ByteSource {
  let position = 0;
  return {
    async read(length) {
      const buffer = Buffer.alloc(Math.min(length, Math.max(0, sizeBytes - position)));
      let done = 0;
      while (done < buffer.byteLength) {
        const { bytesRead } = await handle.read(buffer, done, buffer.byteLength - done, position + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      position += done;
      return buffer.subarray(0, done);
    },
    skip(length) {
      position += length;
      return Promise.resolve(position <= sizeBytes);
    },
  };
}

/** A stream, for what has to be decompressed to be read. Never holds more than one chunk beyond what was asked for. */
export function streamSource(stream: AsyncIterable<Buffer>): ByteSource {
  const chunks = stream[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  const take = async (length: number): Promise<Buffer> => {
    if (rest.byteLength === 0) {
      const next = await chunks.next();
      if (next.done === true) return rest;
      rest = next.value;
    }
    const taken = rest.subarray(0, length);
    rest = rest.subarray(taken.byteLength);
    return taken;
  };
  return {
    async read(length) {
      const parts: Buffer[] = [];
      let missing = length;
      while (missing > 0) {
        const part = await take(missing);
        if (part.byteLength === 0) break;
        parts.push(part);
        missing -= part.byteLength;
      }
      return Buffer.concat(parts);
    },
    async skip(length) {
      let missing = length;
      while (missing > 0) {
        const part = await take(missing);
        if (part.byteLength === 0) return false;
        missing -= part.byteLength;
      }
      return true;
    },
  };
}
