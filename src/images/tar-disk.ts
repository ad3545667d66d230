import { createHash } from "node:crypto";
import { open, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { disposedOnError, withDisposal } from "../core/disposal.ts";
import { KvciError } from "../core/error.ts";
import { writing } from "../core/file-system-error.ts";
import type { Journal } from "../core/journal.ts";
import { algorithmOf } from "../host/file-digest.ts";
import { encodeHeader, paddingBytes, TAR_END_BYTES, type TarEntry } from "../oci/tar-header.ts";
import type { Store } from "../store/store.ts";
import type { StoredBlob } from "./fetch-images.ts";

/** Read at once; more gains nothing on a disk that is read from front to back. */
const PIECE_BYTES = 1024 * 1024;
/** Milliseconds between two progress events. */
const PROGRESS_EVERY_MS = 100;

export interface DiskContext {
  readonly store: Store;
  readonly signal: AbortSignal;
  readonly journal: Journal;
}

/** A raw disk that is a tar, padded to whole sectors; gone with its disposal. */
export interface TarDiskFile extends AsyncDisposable {
  readonly path: string;
  readonly bytes: number;
}

/**
 * Writes a disk in the store's temporary folder. Nothing of it stays when `write` fails.
 *
 * @param totalBytes of all blobs together, for progress.
 * @throws {KvciError} `store-full`, `store-unusable`; whatever `write` says.
 */
export async function writeTarDisk(
  context: DiskContext & { readonly totalBytes: number },
  write: (disk: TarDisk) => Promise<void>,
): Promise<TarDiskFile> {
  const folder = await context.store.temporaryFolder("image-disk");
  return disposedOnError(folder, async () => {
    const path = join(folder.path, "images.tar");
    const bytes = await writing(folder.path, async () =>
      withDisposal(await open(path, "wx", 0o600), async (file) => {
        const disk = new TarDisk(file, context);
        await write(disk);
        return disk.end();
      }),
    );
    return { path, bytes, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
  });
}

/** A tar that grows. */
export class TarDisk {
  readonly #file: FileHandle;
  readonly #context: DiskContext;
  readonly #totalBytes: number;
  #position = 0;
  #readBytes = 0;
  #shownMs = 0;

  constructor(file: FileHandle, context: DiskContext & { readonly totalBytes: number }) {
    this.#file = file;
    this.#context = context;
    this.#totalBytes = context.totalBytes;
  }

  /** Adds a file, or with no content a directory. */
  async small(path: string, content: Buffer | "directory", attributes: Partial<TarEntry> = {}): Promise<void> {
    if (content === "directory") {
      await this.append(header({ path, type: "directory", mode: 0o755, ...attributes }));
      return;
    }
    await this.append(Buffer.concat([header({ path, sizeBytes: content.byteLength, ...attributes }), content]));
    await this.append(Buffer.alloc(paddingBytes(content.byteLength)));
  }

  /** Adds a blob of the store as a file. @throws {KvciError} `digest-mismatch` when it is damaged; it is removed. */
  async blob(path: string, blob: StoredBlob): Promise<void> {
    await this.append(header({ path, sizeBytes: blob.bytes }));
    for await (const piece of this.pieces(blob)) await this.append(piece);
    await this.append(Buffer.alloc(paddingBytes(blob.bytes)));
  }

  /** A blob of the store, piece by piece. @throws as `blob`, behind the last piece. */
  async *pieces({ digest, bytes }: StoredBlob): AsyncGenerator<Buffer, void, undefined> {
    const { store, signal } = this.#context;
    const path = store.blobPath(digest);
    const hash = createHash(algorithmOf(digest));
    let copied = 0;
    const source = await open(path, "r").catch(() => Promise.reject(damaged(path)));
    try {
      for (;;) {
        signal.throwIfAborted();
        // A new one for each: whoever decompresses pieces keeps some of them for a while.
        const buffer = Buffer.allocUnsafe(PIECE_BYTES);
        const { bytesRead } = await source.read(buffer, 0, buffer.length, copied);
        if (bytesRead === 0) break;
        const piece = buffer.subarray(0, bytesRead);
        hash.update(piece);
        copied += bytesRead;
        this.#readBytes += bytesRead;
        yield piece;
        this.#progress();
      }
    } finally {
      await source.close();
    }
    if (copied === bytes && hash.digest("hex") === digest.split(":")[1]) return;
    await rm(path, { force: true });
    throw damaged(path);
  }

  /** Adds bytes as they are. */
  readonly append = async (bytes: Uint8Array): Promise<void> => {
    for (let done = 0; done < bytes.byteLength;) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.byteLength - done, this.#position + done);
      done += bytesWritten;
    }
    this.#position += bytes.byteLength;
  };

  /** @returns the size of the disk, in bytes: blocks of a tar are as long as sectors of a disk, so it ends on a whole one. */
  async end(): Promise<number> {
    await this.append(Buffer.alloc(TAR_END_BYTES));
    return this.#position;
  }

  #progress(): void {
    const now = performance.now();
    if (now - this.#shownMs < PROGRESS_EVERY_MS) return;
    this.#shownMs = now;
    const doneBytes = Math.min(this.#readBytes, this.#totalBytes);
    this.#context.journal.emit({ type: "transfer", name: "image disk", doneBytes, totalBytes: this.#totalBytes });
  }
}

function header(of: Partial<TarEntry> & Pick<TarEntry, "path">): Buffer {
  return encodeHeader({ type: "file", sizeBytes: 0, mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 0, ...of });
}

function damaged(path: string): KvciError {
  return new KvciError("digest-mismatch", `${path}: its bytes are not those that were kept`, {
    hint: "Run the same command again: it is fetched anew. Check the disk of the store.",
  });
}
