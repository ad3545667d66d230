import { createHash } from "node:crypto";
import { KvciError } from "../../src/core/error.ts";
import type { DiskBlock } from "../../src/disk/raw-disk.ts";
import type { AdaptiveLimit } from "../../src/publish/adaptive-limit.ts";
import type { IndexRanges } from "../../src/publish/index-ranges.ts";

/** Where blocks go. Retries are its affair; it says when it was asked to slow down. */
export type PutBlock = (block: {
  readonly index: number;
  readonly data: Buffer;
  /** SHA-256 of the data, base64. */
  readonly checksum: string;
  readonly onThrottled: () => void;
}) => Promise<void>;

export interface UploadOptions {
  readonly put: PutBlock;
  readonly limit: AdaptiveLimit;
  /** Blocks that the snapshot has already: they are read and counted, not sent. */
  readonly acknowledged: IndexRanges;
  /** Called now and then with what was acknowledged so far, and at the end however it comes. */
  readonly remember: (acknowledged: IndexRanges) => Promise<void>;
  /** Acknowledgements between two calls of `remember`. */
  readonly rememberEvery: number;
  /** What the parent snapshot has. Blocks that are the same are neither sent nor counted; where it has data, zeros are sent. */
  readonly parent?: {
    readonly has: (index: number) => boolean;
    readonly isSame: (index: number, digest: Buffer) => boolean;
  };
  /** Called with the SHA-256 of every block that is not left out for being zero. */
  readonly onDigest?: (index: number, digest: Buffer) => void;
  /** Called with each block's buffer when nobody needs it any more, unless it is a block of zeros. */
  readonly recycle?: (data: Buffer) => void;
  readonly onProgress: (doneBlocks: number) => void;
  readonly signal: AbortSignal;
}

export interface Uploaded {
  /** Blocks that the snapshot is made of, beside its parent's: what CompleteSnapshot counts. */
  readonly changedBlocks: number;
  /** Of these, how many were sent now. */
  readonly sentBlocks: number;
  /** SHA-256 over the digests of the changed blocks, in the order of their indexes, base64: EBS calls it LINEAR. */
  readonly linearChecksum: string;
}

/**
 * Sends what is not zero in a disk, each block once, as many at a time as the service takes. Reading goes on while blocks are
 * under way; memory holds no more blocks than that.
 *
 * @throws {KvciError} what `put` throws, when everything under way has ended; `publish-integrity` for a disk without a byte.
 */
export async function uploadBlocks(blocks: AsyncIterable<DiskBlock>, options: UploadOptions): Promise<Uploaded> {
  const upload = new Upload(options);
  try {
    for await (const block of blocks) {
      if (upload.failed || options.signal.aborted) break;
      if (!block.isZero || options.parent?.has(block.index)) await upload.take(block);
    }
  } finally {
    await upload.settled();
  }
  return upload.result();
}

class Upload {
  readonly #options: UploadOptions;
  readonly #linear = createHash("sha256");
  readonly #running = new Set<Promise<void>>();
  #changed = 0;
  #sent = 0;
  #unremembered = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: UploadOptions) {
    this.#options = options;
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  async take(block: DiskBlock): Promise<void> {
    const isSent = await this.#begin(block, () => {
      if (!block.isZero) this.#options.recycle?.(block.data);
    });
    if (!isSent && !block.isZero) this.#options.recycle?.(block.data);
  }

  /** @param sent called when the block has been sent, or could not be. @returns whether it is on its way. */
  async #begin({ index, data }: DiskBlock, sent: () => void): Promise<boolean> {
    const { limit, acknowledged, parent, onDigest, onProgress } = this.#options;
    const digest = createHash("sha256").update(data).digest();
    onDigest?.(index, digest);
    if (parent?.isSame(index, digest)) return false;
    this.#changed += 1;
    this.#linear.update(digest);
    if (acknowledged.has(index)) {
      onProgress(this.#changed);
      return false;
    }
    const release = await limit.take();
    const work: Promise<void> = this.#send({ index, data, checksum: digest.toString("base64") })
      .then(
        () => {
          release("ok");
        },
        (error: unknown) => {
          release("refused");
          this.#failure ??= { error };
        },
      )
      .finally(() => {
        this.#running.delete(work);
        sent();
      });
    this.#running.add(work);
    return true;
  }

  async #send(block: { readonly index: number; readonly data: Buffer; readonly checksum: string }): Promise<void> {
    const { put, limit, acknowledged, rememberEvery, onProgress } = this.#options;
    await put({
      ...block,
      onThrottled: () => {
        limit.refused();
      },
    });
    acknowledged.add(block.index);
    this.#sent += 1;
    onProgress(acknowledged.size);
    this.#unremembered += 1;
    if (this.#unremembered < rememberEvery) return;
    this.#unremembered = 0;
    await this.#options.remember(acknowledged);
  }

  async settled(): Promise<void> {
    await Promise.all(this.#running);
    if (this.#sent > 0) await this.#options.remember(this.#options.acknowledged);
  }

  result(): Uploaded {
    if (this.#failure) throw this.#failure.error;
    if (this.#options.signal.aborted) throw stopped();
    if (this.#changed === 0 && !this.#options.parent) throw empty();
    return {
      changedBlocks: this.#changed,
      sentBlocks: this.#sent,
      linearChecksum: this.#linear.digest("base64"),
    };
  }
}

function empty(): KvciError {
  return new KvciError("publish-integrity", "the disk holds nothing but zeros", {
    hint: "Look at the disk with `kvci-build inspect`; such an image could not boot.",
  });
}

function stopped(): KvciError {
  return new KvciError("interrupted", "the upload was stopped", {
    hint: "Run the same command again; blocks that arrived are not sent again.",
  });
}
