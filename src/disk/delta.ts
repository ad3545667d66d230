import { rm } from "node:fs/promises";
import { join } from "node:path";
import { runProgram } from "../host/program.ts";
import {
  checkImage,
  compress,
  CONVERT_MS,
  CREATE_MS,
  createOverlay,
  type DiskContext,
  type DiskFile,
} from "./qemu-img.ts";

/** What the progress is called. */
const LAYER = "layer";

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
    const source = { path: collected, format: "qcow2" } as const;
    await compress({ from: source, to: request.to, name: LAYER, options: below }, context);
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
  await compress({ from, to, name: LAYER, options: [] }, context);
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
  await runProgram([...argv], { signal: context.signal, timeoutMs: CONVERT_MS });
}

/** Rewrites the header's cluster, whole: nothing of the path that was there before stays. */
async function rename(path: string, backingName: string, context: DiskContext): Promise<void> {
  const argv = ["qemu-img", "rebase", "-u", "-f", "qcow2", "-b", backingName, "-F", "qcow2", path] as const;
  await runProgram([...argv], { signal: context.signal, timeoutMs: CREATE_MS });
}

/** The file below need not be beside a delta yet, so it is checked without. */
async function checkAlone(path: string, context: DiskContext): Promise<void> {
  const filename = path.replaceAll(",", ",,");
  const opened = `driver=qcow2,file.driver=file,file.filename=${filename},backing=`;
  await runProgram(["qemu-img", "check", "-q", "--image-opts", opened], {
    signal: context.signal,
    timeoutMs: CONVERT_MS,
  });
}
