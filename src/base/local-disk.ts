import { constants, copyFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Digest } from "../core/digest.ts";
import { withDisposal } from "../core/disposal.ts";
import { KvciError } from "../core/error.ts";
import type { Journal } from "../core/journal.ts";
import { runProgram } from "../host/program.ts";
import type { Store } from "../store/store.ts";
import { compressionOf } from "./decompress.ts";
import { checkStandsAlone, diskFormatOf, readHead, type DiskFormat } from "./disk-format.ts";
import { digestOfFile } from "../host/file-digest.ts";
import { writeError } from "../core/file-system-error.ts";

/** A disk image file of the user's. */
export interface LocalDiskFile {
  readonly path: string;
  readonly format: DiskFormat;
  /** Size the guest sees, in bytes. */
  readonly virtualBytes: number;
  /** Size of the file, in bytes. */
  readonly fileBytes: number;
  readonly digest: Digest;
}

export interface HashOptions {
  readonly signal: AbortSignal;
  readonly journal?: Journal;
  /** Format of the file where the user says it; default: by its magic number. */
  readonly format?: DiskFormat;
}

interface ProvideOptions {
  readonly store: Store;
  readonly signal: AbortSignal;
  readonly journal: Journal;
}

const infoSchema = z.looseObject({
  format: z.string(),
  "virtual-size": z.int().min(0),
  "backing-filename": z.string().optional(),
  encrypted: z.boolean().optional(),
});

/** qemu-img reads headers only. */
const INFO_TIMEOUT_MS = 60_000;
/** A conversion reads and writes the whole disk; an hour is a slow disk's 100 GB. */
const CONVERT_TIMEOUT_MS = 3_600_000;

/**
 * Looks at a local disk: digest of the file, and format and size as qemu-img reads them with the format given.
 *
 * @throws {KvciError} `base-failed` for a file that cannot be read, is compressed, encrypted, in use, or needs other files;
 *   `program-missing` without qemu-img.
 */
export async function hashLocalDisk(path: string, options: HashOptions): Promise<LocalDiskFile> {
  const head = await readHead(path);
  const compression = compressionOf(head);
  if (compression) {
    throw refused(path, `it is compressed (${compression})`, "Unpack it first; a local disk is used as it is.");
  }
  const format = options.format ?? diskFormatOf(head);
  checkStandsAlone(head, path);
  const info = await diskInfo(path, format, options);
  const { size } = await stat(path);
  return {
    path,
    format,
    virtualBytes: info,
    fileBytes: size,
    digest: await digestOfFile(path, "sha256", options.signal),
  };
}

async function diskInfo(path: string, format: DiskFormat, { signal, journal }: HashOptions): Promise<number> {
  // "file:" keeps a name such as "nbd:…" or "json:{…}" from being taken for something that is not a file.
  const argv = ["qemu-img", "info", "--output=json", "-f", format, `file:${path}`] as const;
  const text = await runProgram(argv, { signal, timeoutMs: INFO_TIMEOUT_MS, ...(journal ? { journal } : {}) }).catch(
    (error: unknown) => {
      if (!(error instanceof KvciError && error.code === "program-failed")) throw error;
      throw new KvciError("base-failed", `qemu-img cannot read ${path} as ${format}`, {
        hint: "If a virtual machine is using the disk, shut it down; else the image is damaged or of another format.",
        evidence: error.evidence,
        cause: error,
      });
    },
  );
  const info = infoSchema.parse(JSON.parse(text));
  if (info["backing-filename"] !== undefined) {
    throw refused(path, "it needs a backing file", "Make one file of it with qemu-img convert.");
  }
  if (info.encrypted) throw refused(path, "it is encrypted", "Decrypt it with qemu-img convert.");
  return info["virtual-size"];
}

/**
 * Puts a local disk into the store, where nothing changes it under the layers that are built on it. qcow2 and raw are
 * copied (shared blocks where the file system can), other formats become qcow2. The digest is that of the user's file.
 *
 * @throws {KvciError} as `hashLocalDisk`; `digest-mismatch` when the file is not the one that was planned with.
 */
export async function provideLocalDisk(
  file: LocalDiskFile,
  options: ProvideOptions,
): Promise<{ readonly path: string; readonly format: "qcow2" | "raw" }> {
  const { store, signal } = options;
  return withDisposal(await store.lock(`local-disk-${file.digest}`, { signal }), async () => {
    const { format } = file;
    if (format === "qcow2" || format === "raw") return { path: await copied(file, store, signal), format };
    return { path: await converted(file, options), format: "qcow2" };
  });
}

async function converted(file: LocalDiskFile, { store, signal, journal }: ProvideOptions): Promise<string> {
  const key = file.digest.replace(":", "-");
  if (await store.hasEntry("local-disk", key)) return join(store.entryPath("local-disk", key), "disk.qcow2");
  return withDisposal(await store.temporaryFolder("local-disk"), async (folder) => {
    const target = join(folder.path, "disk.qcow2");
    const argv = ["qemu-img", "convert", "-f", file.format, "-O", "qcow2", `file:${file.path}`, target] as const;
    await runProgram(argv, { signal, timeoutMs: CONVERT_TIMEOUT_MS, journal });
    await checkUnchanged(file, file.path, signal);
    return join(await store.adoptEntry(folder.path, "local-disk", key), "disk.qcow2");
  });
}

async function copied(file: LocalDiskFile, store: Store, signal: AbortSignal): Promise<string> {
  if (await store.hasBlob(file.digest)) return store.blobPath(file.digest);
  return withDisposal(await store.temporaryFolder("local-disk"), async (folder) => {
    const copy = join(folder.path, "disk");
    await copyFile(file.path, copy, constants.COPYFILE_FICLONE).catch((error: unknown) => {
      throw writeError(error, folder.path);
    });
    await checkUnchanged(file, copy, signal);
    return store.adoptBlob(copy, file.digest);
  });
}

async function checkUnchanged(file: LocalDiskFile, copy: string, signal: AbortSignal): Promise<void> {
  const actual = await digestOfFile(copy, "sha256", signal);
  if (actual === file.digest) return;
  throw new KvciError("digest-mismatch", `${file.path} changed while it was read`, {
    hint: "Shut down whatever writes to the disk, then run the same command again.",
    evidence: [`expected ${file.digest}`, `actual   ${actual}`],
  });
}

function refused(path: string, reason: string, hint: string): KvciError {
  return new KvciError("base-failed", `${path} cannot be a base: ${reason}`, { hint });
}
