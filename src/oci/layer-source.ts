import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { fileSource, streamSource, type ByteSource } from "./byte-source.ts";
import type { Compression } from "./media-types.ts";
import { zstdFrames } from "./zstd-frames.ts";

/** How much of a blob is read at a time. */
export const READ_BYTES = 1024 * 1024;

/** The blob of a layer, in the file `path`. */
export interface LayerBlob {
  readonly path: string;
  readonly sizeBytes: number;
  readonly compression: Compression;
  readonly signal: AbortSignal | undefined;
}

/** Opens a layer's blob and lets `read` have its tar, decompressed on the way. */
export async function withLayerTar<T>(blob: LayerBlob, read: (source: ByteSource) => Promise<T>): Promise<T> {
  const { path, sizeBytes, compression, signal } = blob;
  if (compression === "none") {
    const handle = await open(path, "r");
    try {
      return await read(fileSource(handle, sizeBytes));
    } finally {
      await handle.close();
    }
  }
  const packed = createReadStream(path, { highWaterMark: READ_BYTES, ...(signal === undefined ? {} : { signal }) });
  const isZstd = compression === "zstd";
  const plain = isZstd ? createZstdDecompress() : createGunzip();
  const frames = isZstd ? Readable.from(zstdFrames(streamSource(packed)), { highWaterMark: 1 }) : packed;
  for (const each of new Set([packed, frames])) each.on("error", (error: Error) => plain.destroy(error));
  try {
    return await read(streamSource(frames.pipe(plain)));
  } finally {
    packed.destroy();
    frames.destroy();
    plain.destroy();
  }
}
