import { open, type FileHandle } from "node:fs/promises";
import { KvciError, messageOf } from "../core/error.ts";
import type { BlobWriter } from "./blob-writer.ts";
import { checkSignal } from "./check-signal.ts";

/** Big enough that system calls do not count, small enough that hashing one chunk does not hold up the event loop. */
const CHUNK_BYTES = 1024 * 1024;
/** One chunk is being read, one hashed, one written. */
const CHUNKS_IN_FLIGHT = 3;

/** A host file opened for copying: its size is in the tar header before its bytes are. */
export interface OpenFile {
  readonly path: string;
  readonly handle: FileHandle;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
}

export interface CopyOptions {
  readonly onProgress?: ((doneBytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** @throws {KvciError} `build-invalid` for a file that is not there, not readable or not a regular file. */
export async function openFile(path: string): Promise<OpenFile> {
  const handle = await open(path, "r").catch((error: unknown) => {
    throw unreadable(path, messageOf(error), error);
  });
  const stat = await handle.stat();
  if (stat.isFile()) return { path, handle, sizeBytes: stat.size, mtimeMs: stat.mtimeMs };
  await handle.close();
  throw unreadable(path, "it is not a regular file");
}

/**
 * Appends a file's bytes: the next chunk is read while this one is hashed and the last one written.
 *
 * @throws {KvciError} `build-invalid` when the file changes meanwhile, `interrupted`, and what the writer throws.
 */
export async function copyFile(file: OpenFile, writer: BlobWriter, options: CopyOptions): Promise<void> {
  const buffers = Array.from({ length: CHUNKS_IN_FLIGHT }, () => Buffer.allocUnsafeSlow(CHUNK_BYTES));
  const chunkAt = (index: number): Promise<Buffer> => {
    const reading = readChunk(file, buffers[index % CHUNKS_IN_FLIGHT] as Buffer, index * CHUNK_BYTES);
    reading.catch(() => undefined); // thrown where it is awaited, if the loop gets there
    return reading;
  };
  const count = Math.ceil(file.sizeBytes / CHUNK_BYTES);
  let next = chunkAt(0);
  for (let index = 0; index < count; index += 1) {
    checkSignal(options.signal);
    const chunk = await next;
    if (index + 1 < count) next = chunkAt(index + 1);
    await writer.append(chunk);
    options.onProgress?.(index * CHUNK_BYTES + chunk.byteLength);
  }
  await next;
  await checkUnchanged(file);
}

async function readChunk(file: OpenFile, buffer: Buffer, position: number): Promise<Buffer> {
  const wanted = Math.min(buffer.byteLength, file.sizeBytes - position);
  for (let done = 0; done < wanted;) {
    const { bytesRead } = await file.handle
      .read(buffer, done, wanted - done, position + done)
      .catch((error: unknown) => {
        throw unreadable(file.path, messageOf(error), error);
      });
    if (bytesRead === 0) throw changed(file.path);
    done += bytesRead;
  }
  return buffer.subarray(0, wanted);
}

async function checkUnchanged(file: OpenFile): Promise<void> {
  const { size, mtimeMs } = await file.handle.stat();
  if (size !== file.sizeBytes || mtimeMs !== file.mtimeMs) throw changed(file.path);
}

function changed(path: string): KvciError {
  return new KvciError("build-invalid", `${path} changed while it was put into an image`, {
    hint: "Make sure nothing else writes to it, then run the same command again.",
  });
}

function unreadable(path: string, why: string, cause?: unknown): KvciError {
  return new KvciError("build-invalid", `${path} cannot be put into an image: ${why}`, {
    hint: "Build the template again; its files are gone or not readable.",
    cause,
  });
}
