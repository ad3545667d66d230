import { createHash } from "node:crypto";
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { Digest } from "../core/digest.ts";
import { writeError } from "../core/file-system-error.ts";

/** Begins the name of every file that is not finished; the next writer of the layout removes them. */
export const TEMPORARY_PREFIX = ".tmp-";

/**
 * A blob being written into a layout, hashed on the way. A write runs in the background while its bytes are hashed and
 * the caller reads the next ones. Either `finish` or `discard` must be called.
 */
export class BlobWriter {
  #sizeBytes = 0;
  #pending: Promise<void> = Promise.resolve();
  readonly #hash = createHash("sha256");
  readonly #handle: FileHandle;
  readonly #folder: string;
  readonly #temporary: string;

  private constructor(handle: FileHandle, folder: string, temporary: string) {
    this.#handle = handle;
    this.#folder = folder;
    this.#temporary = temporary;
  }

  /** One blob at a time per layout. @throws {KvciError} `store-full`, `store-unusable` */
  static async create(layoutFolder: string): Promise<BlobWriter> {
    const folder = join(layoutFolder, "blobs", "sha256");
    const temporary = join(folder, `${TEMPORARY_PREFIX}${String(process.pid)}`);
    try {
      return new BlobWriter(await open(temporary, "wx", 0o644), folder, temporary);
    } catch (error) {
      throw writeError(error, temporary);
    }
  }

  /**
   * Adds bytes. Resolves when the write *before* this one is done: `chunk` must stay untouched until the next call returns.
   *
   * @throws {KvciError} `store-full`, `store-unusable`
   */
  async append(chunk: Uint8Array): Promise<void> {
    await this.#settled();
    const position = this.#sizeBytes;
    this.#sizeBytes += chunk.byteLength;
    this.#pending = writeAll(this.#handle, chunk, position);
    // Its failure is thrown by the next call; until somebody waits for it, it must not end the process.
    this.#pending.catch(() => undefined);
    this.#hash.update(chunk);
  }

  /** Flushes the blob and puts it under the name of its digest. */
  async finish(): Promise<{ readonly digest: Digest; readonly size: number }> {
    await this.#settled();
    const hex = this.#hash.digest("hex");
    try {
      await this.#handle.sync();
      await this.#handle.close();
      await rename(this.#temporary, join(this.#folder, hex));
    } catch (error) {
      throw writeError(error, this.#temporary);
    }
    return { digest: `sha256:${hex}`, size: this.#sizeBytes };
  }

  /** Removes what was written so far. */
  async discard(): Promise<void> {
    await this.#pending.catch(() => undefined);
    await this.#handle.close().catch(() => undefined);
    // What cannot be removed now, the next writer removes; the error that led here is the one to show.
    await rm(this.#temporary, { force: true }).catch(() => undefined);
  }

  async #settled(): Promise<void> {
    try {
      await this.#pending;
    } catch (error) {
      throw writeError(error, this.#temporary);
    }
  }
}

async function writeAll(handle: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.byteLength;) {
    const { bytesWritten } = await handle.write(chunk, done, chunk.byteLength - done, position + done);
    done += bytesWritten;
  }
}
