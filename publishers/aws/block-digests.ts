import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { writing } from "../../src/core/file-system-error.ts";
import { exists } from "../../src/host/exists.ts";
import { writeFileAtomic } from "../../src/store/atomic.ts";

const DIGEST_BYTES = 32;

/**
 * SHA-256 of every block of a disk; zeros for a block without data. 32 bytes for each 512 KiB: kept of what was uploaded, so that
 * the next release sends only what is different.
 */
export class BlockDigests {
  #bytes: Buffer;

  constructor(bytes: Buffer = Buffer.alloc(0)) {
    this.#bytes = bytes;
  }

  set(index: number, digest: Buffer): void {
    const needed = (index + 1) * DIGEST_BYTES;
    if (needed > this.#bytes.length) {
      this.#bytes = Buffer.concat([this.#bytes], Math.max(needed, 2 * this.#bytes.length));
    }
    digest.copy(this.#bytes, index * DIGEST_BYTES);
  }

  /** Whether there is data in the block. */
  has(index: number): boolean {
    return this.#at(index).some((byte) => byte !== 0);
  }

  isSame(index: number, digest: Buffer): boolean {
    return this.#at(index).equals(digest);
  }

  toBuffer(): Buffer {
    return this.#bytes;
  }

  #at(index: number): Buffer {
    return this.#bytes.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
  }
}

/** @param content digest of the whole disk. */
function pathOf(storeRoot: string, content: string): string {
  return join(storeRoot, "publish", "blocks", content.replace(":", "-"));
}

export async function hasBlockDigests(storeRoot: string, content: string): Promise<boolean> {
  return exists(pathOf(storeRoot, content));
}

/** @returns nothing when the disk was uploaded from elsewhere. */
export async function readBlockDigests(storeRoot: string, content: string): Promise<BlockDigests | undefined> {
  const text = await readFile(pathOf(storeRoot, content), "utf8").catch(() => undefined);
  return text === undefined ? undefined : new BlockDigests(Buffer.from(text, "base64"));
}

export async function writeBlockDigests(storeRoot: string, content: string, digests: BlockDigests): Promise<void> {
  const path = pathOf(storeRoot, content);
  await writing(path, async () => {
    await mkdir(dirname(path), { recursive: true });
    await writeFileAtomic(path, digests.toBuffer().toString("base64"));
  });
}
