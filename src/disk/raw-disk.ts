import type { Journal } from "../core/journal.ts";
import { streamProgram } from "../host/program.ts";
import { collectYoungGarbage } from "../host/young-garbage.ts";

export interface RawDiskOptions {
  readonly signal: AbortSignal;
  readonly journal?: Journal;
}

/** Reading 2 TiB at 100 MB/s takes six hours. */
const TIMEOUT_MS = 12 * 3_600_000;
const COLLECT_EVERY_BYTES = 16 * 1024 * 1024;

/** A piece of a disk as the guest sees it, whatever format and backing files it is kept in. */
export interface DiskBlock {
  /** Counted from 0, in blocks. */
  readonly index: number;
  /** Whole blocks; the last one is padded with zeros. The buffer is the receiver's to keep, not to change: all zero blocks are one. */
  readonly data: Buffer;
  readonly isZero: boolean;
}

/**
 * The bytes of a qcow2 disk in order, unpacked on the way: no second copy on this host. nbdcopy reads the disk from a qemu-nbd
 * that it starts itself and ends with itself.
 *
 * @throws {KvciError} `program-missing`, `program-failed`, `interrupted`
 */
export async function* rawDisk(
  path: string,
  { signal, journal }: RawDiskOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const server = ["qemu-nbd", "--read-only", "--format=qcow2", path];
  const pieces = streamProgram(["nbdcopy", "--", "[", ...server, "]", "-"], {
    signal,
    timeoutMs: TIMEOUT_MS,
    ...(journal === undefined ? {} : { journal }),
  });
  let uncollectedBytes = 0;
  for await (const piece of pieces) {
    yield piece;
    uncollectedBytes += piece.length;
    if (uncollectedBytes < COLLECT_EVERY_BYTES) continue;
    uncollectedBytes = 0;
    collectYoungGarbage();
  }
}

/**
 * Cuts a stream of bytes into blocks of one size.
 *
 * @param newBuffer gives a buffer of that size; what is in it does not matter.
 */
export async function* diskBlocks(
  pieces: AsyncIterable<Uint8Array>,
  blockBytes: number,
  newBuffer: () => Buffer = () => Buffer.alloc(blockBytes),
): AsyncGenerator<DiskBlock, void, undefined> {
  const zeros = Buffer.alloc(blockBytes);
  let block = newBuffer();
  let filled = 0;
  let index = 0;
  for await (const piece of pieces) {
    for (let from = 0; from < piece.length;) {
      const take = Math.min(piece.length - from, blockBytes - filled);
      block.set(piece.subarray(from, from + take), filled);
      filled += take;
      from += take;
      if (filled < blockBytes) continue;
      const isZero = block.equals(zeros);
      yield { index, data: isZero ? zeros : block, isZero };
      index += 1;
      filled = 0;
      // Most of a disk is zeros: a new buffer for each of their blocks would be gigabytes for the collector to find.
      if (!isZero) block = newBuffer();
    }
  }
  if (filled === 0) return;
  block.fill(0, filled);
  yield { index, data: block, isZero: block.equals(zeros) };
}
