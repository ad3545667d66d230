import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { DiskFormat } from "../core/disk-image.ts";
import { runProgram } from "../host/program.ts";
import { checkImage, createOverlay, imageInfo, type DiskContext } from "./qemu-img.ts";

/** Reading and writing run at some 100 MB/s on two cores; six hours are for the largest disk on the slowest host. */
const COPY_MS = 6 * 60 * 60_000;
/** Rewriting a header is one cluster. */
const HEADER_MS = 60_000;
/** As in `flatten`: in order (no `-W`), so that the same clusters give the same bytes; 16 coroutines are qemu-img's limit. */
const COMPRESSED = ["-c", "-m", "16", "-o", "compression_type=zstd"] as const;

/** A disk file and how it is read. */
export interface DiskFile {
  readonly path: string;
  readonly format: DiskFormat;
}

export interface DeltaRequest {
  /** What lies below the delta: a file of the chain of `top`, or its base. */
  readonly from: DiskFile;
  /** Topmost qcow2 of what the delta holds; everything between it and `from` is in it. */
  readonly top: string;
  /** The new qcow2. */
  readonly to: string;
  /** What its header names as the file below: a plain name, in the same folder wherever the delta is used; qcow2. */
  readonly backingName: string;
  /** Folder for an intermediate file, which may become as large as the uncompressed delta. */
  readonly folder: string;
}

/**
 * Writes what differs between two points of a chain as one compressed qcow2. Clusters that read the same above and below
 * are left out; what was zeroed or discarded is kept as zero clusters; the delta has the size of `top`. The same inputs give
 * the same bytes. No file of the chain is written.
 *
 * @throws {KvciError} `program-failed`, `store-full`, `interrupted`
 */
export async function exportDelta(request: DeltaRequest, context: DiskContext): Promise<void> {
  const collected = join(request.folder, "collected.qcow2");
  try {
    await createOverlay({ path: collected, backing: request.top }, context);
    await collect(collected, request.from, context);
    const below = ["-B", request.from.path, "-F", request.from.format];
    await convert({ from: { path: collected, format: "qcow2" }, to: request.to, options: below }, context);
  } finally {
    await rm(collected, { force: true });
  }
  await rename(request.to, request.backingName, context);
  await checkAlone(request.to, context);
}

/**
 * Writes a base as compressed qcow2 of its own size. The same base gives the same bytes.
 *
 * @throws {KvciError} `program-failed`, `store-full`, `interrupted`
 */
export async function exportBase(
  { from, to }: { readonly from: DiskFile; readonly to: string },
  context: DiskContext,
): Promise<void> {
  await convert({ from, to, options: [] }, context);
  await checkImage(to, context);
}

/**
 * Moves an empty overlay from the top of the chain down to `from`: qemu-img copies into it what reads differently, and looks
 * only at clusters that some file in between holds. Zeros become zero clusters instead of gigabytes of them.
 */
async function collect(overlay: string, from: DiskFile, context: DiskContext): Promise<void> {
  // A comma ends an option, unless there are two.
  const filename = overlay.replaceAll(",", ",,");
  const opened = `driver=qcow2,file.driver=file,file.filename=${filename},detect-zeroes=on`;
  const argv = ["qemu-img", "rebase", "--image-opts", "-b", from.path, "-F", from.format, opened] as const;
  await runProgram([...argv], { signal: context.signal, timeoutMs: COPY_MS });
}

interface Conversion {
  readonly from: DiskFile;
  readonly to: string;
  readonly options: readonly string[];
}

async function convert({ from, to, options }: Conversion, { signal, journal }: DiskContext): Promise<void> {
  const { virtualBytes: totalBytes } = await imageInfo(from.path, { signal, journal }, from.format);
  const files = ["-f", from.format, "-O", "qcow2", ...options, from.path, to];
  await runProgram(["qemu-img", "convert", "-p", ...COMPRESSED, ...files], {
    signal,
    timeoutMs: COPY_MS,
    onOutput: (_stream, text) => {
      const percent = /\((\d+(?:\.\d+)?)\/100%\)[^(]*$/.exec(text)?.[1];
      if (percent === undefined) return;
      const doneBytes = Math.round((Number(percent) / 100) * totalBytes);
      journal.emit({ type: "transfer", name: "layer", doneBytes, totalBytes });
    },
  });
}

/** Rewrites the header's cluster, whole: nothing of the path that was there before stays. */
async function rename(path: string, backingName: string, context: DiskContext): Promise<void> {
  const argv = ["qemu-img", "rebase", "-u", "-f", "qcow2", "-b", backingName, "-F", "qcow2", path] as const;
  await runProgram([...argv], { signal: context.signal, timeoutMs: HEADER_MS });
}

/** The file below need not be beside a delta yet, so it is checked without. */
async function checkAlone(path: string, context: DiskContext): Promise<void> {
  const filename = path.replaceAll(",", ",,");
  const opened = `driver=qcow2,file.driver=file,file.filename=${filename},backing=`;
  await runProgram(["qemu-img", "check", "-q", "--image-opts", opened], {
    signal: context.signal,
    timeoutMs: COPY_MS,
  });
}
