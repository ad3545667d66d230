import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import type { Digest } from "../core/digest.ts";
import { streamSource, type ByteSource } from "../oci/byte-source.ts";
import { ZstdDamage, zstdFrames } from "../oci/zstd-frames.ts";
import { damagedLayer } from "./layer-problems.ts";

const GZIP = Buffer.from([0x1f, 0x8b]);
const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
/** The second half of a skippable frame's magic number: some begin with one (pzstd). */
const ZSTD_SKIPPABLE = Buffer.from([0x2a, 0x4d, 0x18]);

/** How much is decompressed at a time. */
const CHUNK_BYTES = 128 * 1024;

/**
 * Lets `read` have a layer's tar, decompressed as its first bytes ask for, whatever its media type says: that is not always true.
 *
 * @param read has to read to the end: the digest is that of what it read.
 * @returns the digest of the tar, which an image's configuration lists as `diff_ids`.
 * @throws {KvciError} `layout-invalid` for damaged compression. Errors of the blob and of `read` are passed on.
 */
export async function withTarOf(
  blob: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  read: (tar: ByteSource) => Promise<void>,
): Promise<Digest> {
  const packed = streamSource(asBuffers(blob));
  const head = await packed.read(4);
  const { input, output } = decompressed(afterHead(packed, head), head, signal);
  const hash = createHash("sha256");
  try {
    await read(streamSource(hashed(output, hash)));
  } catch (error) {
    if (error instanceof ZstdDamage) throw damagedLayer(error.message, error);
    throw isDecompressionError(error) ? damagedLayer("cannot be decompressed", error) : error;
  } finally {
    input.destroy();
    output.destroy();
  }
  return `sha256:${hash.digest("hex")}`;
}

function decompressed(
  bytes: ByteSource,
  head: Buffer,
  signal: AbortSignal,
): { readonly input: Readable; readonly output: Readable } {
  const isZstd = head.equals(ZSTD) || head.subarray(1).equals(ZSTD_SKIPPABLE);
  const input = Readable.from(isZstd ? zstdFrames(bytes) : pieces(bytes), { signal, highWaterMark: 1 });
  const isGzip = head.subarray(0, GZIP.byteLength).equals(GZIP);
  if (!isGzip && !isZstd) return { input, output: input };
  const options = { chunkSize: CHUNK_BYTES };
  const output = isGzip ? createGunzip(options) : createZstdDecompress(options);
  input.on("error", (error) => output.destroy(error));
  return { input, output: input.pipe(output) };
}

async function* asBuffers(blob: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const piece of blob) {
    // An empty piece is not the end.
    if (piece.byteLength > 0) yield Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
  }
}

/** A source from its beginning, of which `head` has been read. */
function afterHead(source: ByteSource, head: Buffer): ByteSource {
  let rest = head;
  const take = (length: number): Buffer => {
    const taken = rest.subarray(0, length);
    rest = rest.subarray(taken.byteLength);
    return taken;
  };
  return {
    async read(length) {
      const taken = take(length);
      if (taken.byteLength === length) return taken;
      return Buffer.concat([taken, await source.read(length - taken.byteLength)]);
    },
    skip: (length) => source.skip(length - take(length).byteLength),
  };
}

async function* pieces(source: ByteSource): AsyncGenerator<Buffer> {
  for (;;) {
    const piece = await source.read(CHUNK_BYTES);
    if (piece.byteLength === 0) return;
    yield piece;
  }
}

async function* hashed(tar: AsyncIterable<Buffer>, hash: ReturnType<typeof createHash>): AsyncGenerator<Buffer> {
  for await (const piece of tar) {
    hash.update(piece);
    yield piece;
  }
}

function isDecompressionError(error: unknown): boolean {
  return error instanceof Error && "code" in error && /^(Z|ZSTD)_/.test(String(error.code));
}
