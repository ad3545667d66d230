import { createHash } from "node:crypto";
import type { Digest } from "../../src/core/digest.ts";
import { KvciError } from "../../src/core/error.ts";
import { isZero, type Extent } from "./data-extents.ts";
import { parallelGzip } from "./parallel-gzip.ts";
import { sparseHeader, sparseTrailer } from "./sparse-tar.ts";

/** The one file that Compute Engine looks for. */
const MEMBER = "disk.raw";
const GIB = 2 ** 30;

/** Compute Engine takes whole GiB only; what is added is a hole. */
export function paddedBytes(virtualBytes: number): number {
  return Math.ceil(virtualBytes / GIB) * GIB;
}

/** Counts up whenever the same disk would make other bytes. */
const PACKING_VERSION = 1;

/** Tarballs of one disk are equal where this is: the compressor is part of it. */
export function packing(): string {
  return `${PACKING_VERSION}-zlib-${process.versions.zlib}-${process.arch}`;
}

export interface TarballSource {
  /** The raw disk, from its start; called once for each reading. */
  readonly read: () => AsyncIterable<Uint8Array>;
  readonly virtualBytes: number;
  readonly extents: readonly Extent[];
  /** SHA-256 of the raw disk that is meant. */
  readonly content: Digest;
  readonly workers?: number;
}

/**
 * A disk as Compute Engine imports it: `disk.raw` in a sparse tar, compressed. Equal disks give equal bytes.
 *
 * @throws {KvciError} `publish-integrity` before the last piece when the disk is not, or no longer, the one that is meant.
 */
export function tarball(source: TarballSource): AsyncGenerator<Buffer, void, undefined> {
  const { workers } = source;
  return parallelGzip(tarOf(source), workers === undefined ? {} : { workers });
}

async function* tarOf(source: TarballSource): AsyncGenerator<Uint8Array, void, undefined> {
  const { extents, virtualBytes, content } = source;
  const realBytes = paddedBytes(virtualBytes);
  const header = sparseHeader(MEMBER, extents, realBytes);
  yield header;
  const hash = createHash("sha256");
  const data = new Data(extents);
  for await (const piece of source.read()) {
    hash.update(piece);
    yield* data.of(piece);
  }
  const read: Digest = `sha256:${hash.digest("hex")}`;
  if (read !== content) throw changed(`expected ${content}, read ${read}`);
  // The last extent is a whole number of units; the disk may end before it does.
  const storedBytes = extents.reduce((sum, { bytes }) => sum + bytes, 0);
  yield Buffer.alloc(storedBytes - data.storedBytes);
  yield sparseTrailer(header.length, storedBytes);
}

interface Stretch {
  readonly isStored: boolean;
  readonly until: number;
}

/** Takes what lies in the extents out of a disk that is read from start to end. No byte is copied. */
class Data {
  readonly #extents: readonly Extent[];
  #next = 0;
  #at = 0;
  storedBytes = 0;

  constructor(extents: readonly Extent[]) {
    this.#extents = extents;
  }

  /** @throws {KvciError} `publish-integrity` for anything but zeros between extents. */
  *of(piece: Uint8Array): Generator<Uint8Array, void, undefined> {
    for (let from = 0; from < piece.length;) {
      const { isStored, until } = this.#here();
      const part = piece.subarray(from, from + Math.min(piece.length - from, until - this.#at));
      if (isStored) yield part;
      else if (!isZero(part)) throw changed(`data near byte ${this.#at}, where there was none`);
      from += part.length;
      this.#pass(part.length, { isStored, until });
    }
  }

  /** Whether what comes next is in an extent, and where that ends or the next one begins. */
  #here(): Stretch {
    const extent = this.#extents[this.#next];
    if (extent === undefined) return { isStored: false, until: Infinity };
    const isStored = this.#at >= extent.offset;
    return { isStored, until: isStored ? extent.offset + extent.bytes : extent.offset };
  }

  #pass(bytes: number, { isStored, until }: Stretch): void {
    this.#at += bytes;
    if (!isStored) return;
    this.storedBytes += bytes;
    if (this.#at === until) this.#next += 1;
  }
}

function changed(how: string): KvciError {
  return new KvciError("publish-integrity", "the disk is not the one that this release was planned with", {
    hint: "Verify the build again with `kvci-build verify`, and make a new plan; nothing of this disk was published.",
    evidence: [how],
  });
}
