import { availableParallelism } from "node:os";
import { promisify } from "node:util";
import { constants, crc32, deflateRaw, type ZlibOptions } from "node:zlib";

const deflate = promisify<Uint8Array, ZlibOptions, Buffer>(deflateRaw);

/** Each is compressed by itself, so the result does not depend on who compresses what. Larger ones gain less than 1 %. */
const GZIP_BLOCK_BYTES = 1024 * 1024;
/** Node's own threads are four unless told otherwise. */
const MOST_WORKERS = 4;
/** No name, no time; 3 stands for Unix. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
/** A last block that holds nothing. */
const END = Buffer.from([3, 0]);

/**
 * Compresses a stream in blocks of one size, several at once. The result is one gzip member, as pigz writes it, and the same for
 * any number of workers. Memory holds a few blocks for each worker.
 */
export async function* parallelGzip(
  pieces: AsyncIterable<Uint8Array>,
  { workers = Math.min(MOST_WORKERS, availableParallelism()) }: { readonly workers?: number } = {},
): AsyncGenerator<Buffer, void, undefined> {
  yield HEADER;
  let [crc, bytes] = [0, 0];
  const running: Promise<Buffer>[] = [];
  // One more than there are workers: it waits in the queue, so that none of them waits for us; and one that is being filled.
  const blocks = new Ring(GZIP_BLOCK_BYTES, workers + 2);
  for await (const block of cutInto(pieces, blocks)) {
    crc = crc32(block, crc);
    bytes += block.length;
    running.push(compressed(block));
    while (running.length > workers) yield await nextOf(running);
  }
  while (running.length > 0) yield await nextOf(running);
  const trailer = Buffer.alloc(END.length + 8);
  trailer.set(END);
  trailer.writeUInt32LE(crc, END.length);
  trailer.writeUInt32LE(bytes % 2 ** 32, END.length + 4);
  yield trailer;
}

function compressed(block: Uint8Array): Promise<Buffer> {
  const work = deflate(block, { level: 6, finishFlush: constants.Z_SYNC_FLUSH });
  // Seen when it is awaited; until then it must not end the process.
  work.catch(() => undefined);
  return work;
}

function nextOf(running: Promise<Buffer>[]): Promise<Buffer> {
  return running.shift() ?? Promise.resolve(Buffer.alloc(0));
}

/** Memory that is used in turn: large blocks that are made and dropped all the time would be collected too late. */
export class Ring {
  readonly sizeBytes: number;
  readonly #blocks: Buffer[];
  #next = 0;

  /** @param count how many are looked at, at once, beside the one that is filled. */
  constructor(sizeBytes: number, count: number) {
    this.sizeBytes = sizeBytes;
    this.#blocks = Array.from({ length: count }, () => Buffer.allocUnsafeSlow(sizeBytes));
  }

  next(): Buffer {
    const block = this.#blocks[this.#next % this.#blocks.length];
    this.#next += 1;
    return block ?? Buffer.allocUnsafeSlow(this.sizeBytes);
  }
}

/** Pieces of one size, but for the last, in memory of the ring. */
export async function* cutInto(pieces: AsyncIterable<Uint8Array>, ring: Ring): AsyncGenerator<Buffer, void, undefined> {
  let block = ring.next();
  let filled = 0;
  for await (const piece of pieces) {
    for (let from = 0; from < piece.length;) {
      // A full block waits here until there is more: so the last one is never empty, and not full by chance.
      if (filled === ring.sizeBytes) {
        yield block;
        block = ring.next();
        filled = 0;
      }
      const take = Math.min(piece.length - from, ring.sizeBytes - filled);
      block.set(piece.subarray(from, from + take), filled);
      filled += take;
      from += take;
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}
