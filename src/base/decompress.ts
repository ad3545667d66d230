import { createReadStream } from "node:fs";
import { open, rm, symlink, type FileHandle } from "node:fs/promises";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { withDisposal } from "../core/disposal.ts";
import { KvciError } from "../core/error.ts";
import type { Journal } from "../core/journal.ts";
import { runProgram } from "../host/program.ts";
import { unpackFailure } from "./unpack-failure.ts";
import { writeError } from "../core/file-system-error.ts";
import { zstdContent } from "./zstd-frames.ts";

export type Compression = "gzip" | "xz" | "zstd";

const MAGICS: readonly { readonly compression: Compression; readonly bytes: Buffer }[] = [
  { compression: "gzip", bytes: Buffer.from([0x1f, 0x8b, 0x08]) },
  { compression: "xz", bytes: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]) },
  { compression: "zstd", bytes: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]) },
];

/** Which compression a file has by its first bytes; names lie. */
export function compressionOf(head: Buffer): Compression | undefined {
  return MAGICS.find(({ bytes }) => head.subarray(0, bytes.length).equals(bytes))?.compression;
}

/** Block that is left out when it is zeros only: what file systems allocate at least. */
const BLOCK_BYTES = 64 * 1024;
const ZEROS = Buffer.alloc(BLOCK_BYTES);
/** Hours that xz may take: an image of some GB needs minutes. */
const XZ_TIMEOUT_MS = 2 * 3_600_000;

export interface DecompressOptions {
  readonly compression: Compression;
  readonly signal: AbortSignal;
  readonly journal: Journal;
}

/**
 * Unpacks `source` into the new file `target`, zeros as holes. `<target>.xz` is used as a temporary name.
 *
 * @throws {KvciError} `base-failed` for damaged data, `program-missing` without xz, `store-full`, `interrupted`.
 */
export async function decompress(source: string, target: string, options: DecompressOptions): Promise<void> {
  if (options.compression === "xz") {
    await decompressXz(source, target, options);
    return;
  }
  const { signal } = options;
  try {
    await withDisposal(await open(target, "wx"), (file) => {
      const writer = sparseWriter(file, target);
      return options.compression === "gzip"
        ? pipeline(createReadStream(source), createGunzip(), writer, { signal })
        : pipeline(zstdContent(source, signal), writer, { signal });
    });
  } catch (error) {
    await rm(target, { force: true });
    throw explain(error, { source, signal });
  }
}

/** xz writes the file itself, with holes. It insists on the suffix, and with --force follows the link. */
async function decompressXz(source: string, target: string, { signal, journal }: DecompressOptions): Promise<void> {
  const link = `${target}.xz`;
  await symlink(source, link);
  try {
    const argv = ["xz", "--decompress", "--force", "--keep", "--quiet", "--", link] as const;
    await runProgram(argv, { signal, timeoutMs: XZ_TIMEOUT_MS, journal });
  } catch (error) {
    await rm(target, { force: true });
    throw error instanceof KvciError && error.code !== "program-failed" ? error : unpackFailure(source, error);
  } finally {
    await rm(link, { force: true });
  }
}

function sparseWriter(file: FileHandle, path: string): Writable {
  let position = 0;
  const put = async (chunk: Buffer): Promise<void> => {
    for (let offset = 0; offset < chunk.length; offset += BLOCK_BYTES) {
      const block = chunk.subarray(offset, offset + BLOCK_BYTES);
      if (!block.equals(ZEROS.subarray(0, block.length))) await writeAll(file, block, position + offset);
    }
    position += chunk.length;
  };
  const settle = (work: Promise<void>, done: (error?: Error) => void): void => {
    work.then(
      () => {
        done();
      },
      (error: unknown) => {
        done(writeError(error, path));
      },
    );
  };
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      settle(put(chunk), done);
    },
    final: (done) => {
      // Sets the length when the last block was a hole.
      settle(
        file.truncate(position).then(() => file.datasync()),
        done,
      );
    },
  });
}

async function writeAll(file: FileHandle, block: Buffer, position: number): Promise<void> {
  for (let written = 0; written < block.length;) {
    const { bytesWritten } = await file.write(block, written, block.length - written, position + written);
    written += bytesWritten;
  }
}

function explain(error: unknown, { source, signal }: { source: string; signal: AbortSignal }): KvciError {
  if (error instanceof KvciError) return error;
  if (signal.aborted) {
    return new KvciError("interrupted", "unpacking was stopped", { hint: "Run the same command again." });
  }
  return unpackFailure(source, error);
}
