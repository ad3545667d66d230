import { z } from "zod";
import type { DiskFormat } from "../core/disk-image.ts";
import type { Journal } from "../core/journal.ts";
import { KvciError } from "../core/error.ts";
import { runProgram } from "../host/program.ts";

export interface DiskContext {
  readonly signal: AbortSignal;
  readonly journal: Journal;
}

/** What `qemu-img info` says of one file. */
export interface ImageInfo {
  readonly format: string;
  /** Bytes the guest sees. */
  readonly virtualBytes: number;
  /** Bytes the file takes on the disk. */
  readonly actualBytes: number;
  readonly backingFile: string | undefined;
}

const info = z.object({
  format: z.string(),
  "virtual-size": z.int(),
  "actual-size": z.int(),
  "backing-filename": z.string().optional(),
});

/** Creating an overlay writes a few hundred KiB. */
export const CREATE_MS = 60_000;
/** Converting runs at some 100 MB/s on two cores; six hours are for the largest disk on the slowest host. */
export const CONVERT_MS = 6 * 60 * 60_000;

/** A new empty qcow2 on top of `backing`, which is never written; `virtualBytes` may be larger than the backing file's. */
export async function createOverlay(
  overlay: {
    readonly path: string;
    readonly backing: string;
    readonly backingFormat?: DiskFormat;
    readonly virtualBytes?: number;
  },
  context: DiskContext,
): Promise<void> {
  const size = overlay.virtualBytes === undefined ? [] : [String(overlay.virtualBytes)];
  const argv = [
    "create",
    "-q",
    "-f",
    "qcow2",
    "-F",
    overlay.backingFormat ?? "qcow2",
    "-b",
    overlay.backing,
    overlay.path,
    ...size,
  ] as const;
  await runProgram(["qemu-img", ...argv], { ...context, timeoutMs: CREATE_MS });
}

/**
 * A new empty qcow2 whose header names `backingName`, which need not be there yet: the layer below may still be on its way into
 * the store.
 */
export async function createDetachedOverlay(
  overlay: {
    readonly path: string;
    readonly backingName: string;
    readonly backingFormat: DiskFormat;
    readonly virtualBytes: number;
  },
  context: DiskContext,
): Promise<void> {
  const { path, backingName, backingFormat, virtualBytes } = overlay;
  const backing = ["-u", "-F", backingFormat, "-b", backingName];
  const argv = ["qemu-img", "create", "-q", "-f", "qcow2", ...backing, path, String(virtualBytes)] as const;
  await runProgram([...argv], { ...context, timeoutMs: CREATE_MS });
}

/** @throws {KvciError} `program-failed` when the file is no disk image */
export async function imageInfo(path: string, context: DiskContext, format?: string): Promise<ImageInfo> {
  const as = format === undefined ? [] : ["-f", format];
  const text = await runProgram(["qemu-img", "info", "--output=json", ...as, path], {
    signal: context.signal,
    timeoutMs: CREATE_MS,
  });
  const parsed = info.safeParse(JSON.parse(text));
  if (!parsed.success) {
    throw new KvciError("program-failed", `qemu-img info of ${path} said something unexpected`, {
      hint: "Which QEMU is installed? `kvci-build doctor` says.",
    });
  }
  const { data } = parsed;
  return {
    format: data.format,
    virtualBytes: data["virtual-size"],
    actualBytes: data["actual-size"],
    backingFile: data["backing-filename"],
  };
}

/** Flattens a chain into one qcow2. */
export async function flatten(from: string, to: string, context: DiskContext): Promise<void> {
  await compress({ from: { path: from, format: "qcow2" }, to, name: "disk", options: [] }, context);
}

/** A disk file and how it is read. */
export interface DiskFile {
  readonly path: string;
  readonly format: DiskFormat;
}

/**
 * Writes a disk as qcow2 with zstd clusters. Written in order (no `-W`), so that the same disk gives the same bytes; 16
 * coroutines are qemu-img's limit. zstd is 4 to 10 times faster than zlib at the same size.
 *
 * @param conversion.name what the progress is called.
 * @param conversion.options further arguments of `qemu-img convert`.
 */
export async function compress(
  {
    from,
    to,
    name,
    options,
  }: { readonly from: DiskFile; readonly to: string; readonly name: string; readonly options: readonly string[] },
  context: DiskContext,
): Promise<void> {
  const compression = ["-c", "-m", "16", "-o", "compression_type=zstd"];
  const files = ["-f", from.format, "-O", "qcow2", ...options, from.path, to];
  const { journal, signal } = context;
  const { virtualBytes: totalBytes } = await imageInfo(from.path, context, from.format);
  await runProgram(["qemu-img", "convert", "-p", ...compression, ...files], {
    signal,
    timeoutMs: CONVERT_MS,
    onOutput: (_stream, text) => {
      const percent = /\((\d+(?:\.\d+)?)\/100%\)[^(]*$/.exec(text)?.[1];
      if (percent === undefined) return;
      journal.emit({ type: "transfer", name, doneBytes: Math.round((Number(percent) / 100) * totalBytes), totalBytes });
    },
  });
}

/** @throws {KvciError} `program-failed` with what qemu-img found wrong */
export async function checkImage(path: string, context: DiskContext): Promise<void> {
  await runProgram(["qemu-img", "check", "-q", "-f", "qcow2", path], { ...context, timeoutMs: CONVERT_MS });
}
