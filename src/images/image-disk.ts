import { createHash } from "node:crypto";
import { open, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { ImageDisk } from "../core/builder.ts";
import { canonicalJson } from "../core/canonical-json.ts";
import { disposedOnError, withDisposal } from "../core/disposal.ts";
import { KvciError } from "../core/error.ts";
import { writing } from "../core/file-system-error.ts";
import type { Journal } from "../core/journal.ts";
import { algorithmOf } from "../host/file-digest.ts";
import { REF_NAME } from "../oci/descriptor.ts";
import { IMAGE_INDEX } from "../oci/media-types.ts";
import { encodeHeader, paddingBytes, TAR_END_BYTES } from "../oci/tar-header.ts";
import type { Store } from "../store/store.ts";
import type { FetchedImage, StoredBlob } from "./fetch-images.ts";
import { namesOf } from "../core/image-reference.ts";

/** By this name containerd lists an image that it imports; `REF_NAME` is what everybody else looks for. */
const CONTAINERD_NAME = "io.containerd.image.name";
/** Read at once; more gains nothing on a disk that is read from front to back. */
const PIECE_BYTES = 1024 * 1024;
/** Milliseconds between two progress events. */
const PROGRESS_EVERY_MS = 100;

export interface DiskContext {
  readonly store: Store;
  readonly signal: AbortSignal;
  readonly journal: Journal;
}

/**
 * Writes a raw disk that is an OCI archive: `oci-layout`, `index.json` with every image under all its names, every blob once.
 * Equal images make equal bytes. It lies in the store's temporary folder until disposal.
 *
 * @throws {KvciError} `digest-mismatch` for a blob of the store that is damaged, which is removed; `store-full`,
 *   `store-unusable`, `interrupted`
 */
export async function writeImageDisk(images: readonly FetchedImage[], context: DiskContext): Promise<ImageDisk> {
  const folder = await context.store.temporaryFolder("image-disk");
  return disposedOnError(folder, async () => {
    const path = join(folder.path, "images.tar");
    const bytes = await writing(folder.path, async () =>
      withDisposal(await open(path, "wx", 0o600), (file) => new Archive(file, images, context).write()),
    );
    return { path, bytes, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
  });
}

class Archive {
  readonly #file: FileHandle;
  readonly #context: DiskContext;
  readonly #images: readonly FetchedImage[];
  readonly #blobs: readonly StoredBlob[];
  readonly #totalBytes: number;
  #position = 0;
  #shownMs = 0;

  constructor(file: FileHandle, images: readonly FetchedImage[], context: DiskContext) {
    this.#file = file;
    this.#images = images;
    this.#context = context;
    this.#blobs = [...new Map(images.flatMap(({ blobs }) => blobs).map((blob) => [blob.digest, blob])).values()];
    this.#totalBytes = this.#blobs.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** @returns the size of the disk, in bytes. */
  async write(): Promise<number> {
    await this.#small("oci-layout", canonicalJson({ imageLayoutVersion: "1.0.0" }));
    await this.#small("index.json", canonicalJson(indexOf(this.#images)));
    for (const blob of this.#blobs) await this.#blob(blob);
    await this.#append(Buffer.alloc(TAR_END_BYTES));
    // Blocks of a tar are as long as sectors of a disk, so it ends on a whole one.
    return this.#position;
  }

  async #small(path: string, text: string): Promise<void> {
    const content = Buffer.from(text, "utf8");
    await this.#append(Buffer.concat([header(path, content.byteLength), content]));
    await this.#append(Buffer.alloc(paddingBytes(content.byteLength)));
  }

  async #blob({ digest, bytes }: StoredBlob): Promise<void> {
    const { store, signal } = this.#context;
    const path = store.blobPath(digest);
    await this.#append(header(`blobs/${digest.replace(":", "/")}`, bytes));
    const hash = createHash(algorithmOf(digest));
    let copied = 0;
    await withDisposal(await open(path, "r").catch(() => Promise.reject(damaged(path))), async (source) => {
      const buffer = Buffer.allocUnsafe(PIECE_BYTES);
      for (;;) {
        signal.throwIfAborted();
        const { bytesRead } = await source.read(buffer, 0, buffer.length, copied);
        if (bytesRead === 0) break;
        const piece = buffer.subarray(0, bytesRead);
        hash.update(piece);
        copied += bytesRead;
        await this.#append(piece);
        this.#progress();
      }
    });
    if (copied !== bytes || hash.digest("hex") !== digest.split(":")[1]) {
      await rm(path, { force: true });
      throw damaged(path);
    }
    await this.#append(Buffer.alloc(paddingBytes(bytes)));
  }

  async #append(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.byteLength;) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.byteLength - done, this.#position + done);
      done += bytesWritten;
    }
    this.#position += bytes.byteLength;
  }

  #progress(): void {
    const now = performance.now();
    if (now - this.#shownMs < PROGRESS_EVERY_MS) return;
    this.#shownMs = now;
    const doneBytes = Math.min(this.#position, this.#totalBytes);
    this.#context.journal.emit({ type: "transfer", name: "image disk", doneBytes, totalBytes: this.#totalBytes });
  }
}

/** Every image once per name, sorted by name: what the runtime lists when it has imported the archive. */
function indexOf(images: readonly FetchedImage[]): unknown {
  const named = images.flatMap(({ image, top }) => namesOf(image).map((name) => [name, top] as const));
  const entries = [...new Map(named)].sort(([a], [b]) => (a < b ? -1 : 1));
  const manifests = entries.map(([name, { mediaType, digest, size }]) => ({
    mediaType,
    digest,
    size,
    annotations: { [CONTAINERD_NAME]: name, [REF_NAME]: name },
  }));
  return { schemaVersion: 2, mediaType: IMAGE_INDEX, manifests };
}

function header(path: string, sizeBytes: number): Buffer {
  return encodeHeader({ path, type: "file", sizeBytes, mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 0 });
}

function damaged(path: string): KvciError {
  return new KvciError("digest-mismatch", `${path}: its bytes are not those that were kept`, {
    hint: "Run the same command again: it is fetched anew. Check the disk of the store.",
  });
}
