import { open, readFile, rename, rm, statfs, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Digest } from "../core/digest.ts";
import { withDisposal } from "../core/disposal.ts";
import { addRange, areRanges, missingRanges, rangesBytes, splitRanges, type ByteRange } from "./byte-ranges.ts";
import { noRoom, writeError } from "../core/file-system-error.ts";

const stateSchema = z.strictObject({
  formatVersion: z.literal(1),
  digest: z.string(),
  totalBytes: z.int().min(0),
  done: z.array(z.strictObject({ start: z.int(), end: z.int() })),
});

/**
 * A file that is being downloaded, and beside it what is known to be in it. The state file names the expected digest and
 * the length, never a URL, so any mirror can go on with it; it only claims bytes that were flushed before it was written.
 */
export class PartialFile implements AsyncDisposable {
  readonly path: string;
  readonly #folder: string;
  readonly #digest: Digest;
  readonly #handle: FileHandle;
  #totalBytes: number | undefined;
  #done: readonly ByteRange[] = [];
  #saving: Promise<void> = Promise.resolve();
  #waiting: Promise<void> | undefined;

  private constructor(folder: string, digest: Digest, handle: FileHandle) {
    this.path = dataPath(folder);
    this.#folder = folder;
    this.#digest = digest;
    this.#handle = handle;
  }

  /** Opens what an earlier run left in `folder`, or starts anew when that does not fit together. */
  static async open(folder: string, digest: Digest): Promise<PartialFile> {
    // "a+" would append and "w+" truncate: "r+" needs the file to be there.
    const handle = await open(dataPath(folder), "r+").catch(() => open(dataPath(folder), "w+").catch(fail(folder)));
    const file = new PartialFile(folder, digest, handle);
    const state = await readState(folder);
    const fits = state?.digest === digest && state.totalBytes === (await handle.stat()).size;
    if (fits && areRanges(state.done, state.totalBytes)) {
      file.#totalBytes = state.totalBytes;
      file.#done = state.done;
    }
    return file;
  }

  /** Length of the whole file, once a server has told it. */
  get totalBytes(): number | undefined {
    return this.#totalBytes;
  }

  get doneBytes(): number {
    return rangesBytes(this.#done);
  }

  get isComplete(): boolean {
    return this.#totalBytes !== undefined && this.doneBytes === this.#totalBytes;
  }

  /** Missing bytes in pieces of at most `chunkBytes`. While the length is unknown: the first such piece. */
  missing(chunkBytes: number): ByteRange[] {
    if (this.#totalBytes === undefined) return [{ start: 0, end: chunkBytes }];
    return splitRanges(missingRanges(this.#done, this.#totalBytes), chunkBytes);
  }

  /** Sets the length, and the file's size with holes, after a look at the free space: better no start than a full disk. */
  async setTotal(totalBytes: number): Promise<void> {
    const disk = await statfs(this.#folder);
    const freeBytes = disk.bavail * disk.bsize;
    if (totalBytes - this.doneBytes > freeBytes) {
      throw noRoom(this.#folder, [
        `${String(totalBytes - this.doneBytes)} bytes are needed, ${String(freeBytes)} are free`,
      ]);
    }
    await this.#handle.truncate(totalBytes).catch(fail(this.#folder));
    this.#totalBytes = totalBytes;
    // Only after a stream of unknown length: it cannot have been this file.
    if (!areRanges(this.#done, totalBytes)) this.#done = [];
  }

  async write(piece: Uint8Array, position: number): Promise<void> {
    let written = 0;
    while (written < piece.length) {
      const { bytesWritten } = await this.#handle
        .write(piece, written, piece.length - written, position + written)
        .catch(fail(this.#folder));
      written += bytesWritten;
    }
    this.#done = addRange(this.#done, { start: position, end: position + piece.length });
  }

  /**
   * Makes what was written so far survive a crash. Calls that come while one is at work share the next one, so that
   * parallel connections do not queue for the disk.
   */
  save(): Promise<void> {
    this.#waiting ??= this.#saving
      .catch(() => undefined)
      .then(() => {
        this.#waiting = undefined;
        this.#saving = this.#saveNow();
        return this.#saving;
      });
    return this.#waiting;
  }

  async #saveNow(): Promise<void> {
    if (this.#totalBytes === undefined) return;
    const state = { formatVersion: 1, digest: this.#digest, totalBytes: this.#totalBytes, done: this.#done };
    const temporary = `${statePath(this.#folder)}.new`;
    try {
      await this.#handle.datasync();
      await withDisposal(await open(temporary, "w"), async (out) => {
        await out.writeFile(JSON.stringify(state));
        await out.datasync();
      });
      await rename(temporary, statePath(this.#folder));
    } catch (error) {
      throw writeError(error, this.#folder);
    }
  }

  /** Forgets everything fetched. */
  async reset(): Promise<void> {
    await rm(statePath(this.#folder), { force: true });
    await this.#handle.truncate(0).catch(fail(this.#folder));
    this.#totalBytes = undefined;
    this.#done = [];
  }

  /** The bytes from the start, for the digest; 1 MiB at a time keeps the memory small and the disk busy. */
  async *bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    const buffer = Buffer.allocUnsafe(1024 * 1024);
    for (let position = 0; ;) {
      const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

function dataPath(folder: string): string {
  return join(folder, "data");
}

function statePath(folder: string): string {
  return join(folder, "state.json");
}

async function readState(folder: string): Promise<z.output<typeof stateSchema> | undefined> {
  try {
    return stateSchema.safeParse(JSON.parse(await readFile(statePath(folder), "utf8"))).data;
  } catch {
    // None yet, or half a file of a machine that lost power: start from nothing. A disk that cannot be read shows itself soon.
    return undefined;
  }
}

function fail(folder: string): (error: unknown) => never {
  return (error) => {
    throw writeError(error, folder);
  };
}
