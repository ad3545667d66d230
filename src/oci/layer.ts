import { BlobWriter } from "./blob-writer.ts";
import { copyFile, openFile } from "./copy-file.ts";
import type { Descriptor } from "./descriptor.ts";
import { layerEntries, type HostFile, type InlineFile, type Layer, type LayerEntry } from "./layer-entries.ts";
import { LAYER_TAR } from "./media-types.ts";
import { encodeHeader, paddingBytes, TAR_END_BYTES } from "./tar-header.ts";
import { checkSignal } from "./check-signal.ts";

/** Progress is told every so many bytes, and at the end of each file. */
const PROGRESS_BYTES = 16 * 1024 * 1024;

export interface LayerOptions {
  /** Modification time of everything in the layer; seconds since 1970. */
  readonly mtimeSeconds: number;
  /** `name` is the file's path in the image. */
  readonly onProgress?: ((name: string, doneBytes: number, totalBytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes a layer as an uncompressed tar, in one pass over each file, with memory that does not grow with them.
 * It is not compressed because disks are already; so the digest of the blob is also the layer's diff id.
 *
 * @returns the layer's descriptor.
 * @throws {KvciError} `store-full`, `store-unusable`, `build-invalid` for a host file that cannot be read, `interrupted`.
 */
export async function writeLayer(layoutFolder: string, layer: Layer, options: LayerOptions): Promise<Descriptor> {
  const entries = layerEntries(layer);
  const writer = await BlobWriter.create(layoutFolder);
  try {
    for (const entry of entries) await writeEntry(entry, writer, options);
    await writer.append(Buffer.alloc(TAR_END_BYTES));
    const blob = await writer.finish();
    const { annotations } = layer;
    return { mediaType: LAYER_TAR, ...blob, ...(annotations === undefined ? {} : { annotations: { ...annotations } }) };
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

async function writeEntry(item: LayerEntry, writer: BlobWriter, options: LayerOptions): Promise<void> {
  checkSignal(options.signal);
  if (item.kind === "directory") {
    const { mtimeSeconds } = options;
    return writer.append(encodeHeader({ ...item.entry, type: "directory", sizeBytes: 0, mtimeSeconds }));
  }
  return "from" in item.entry
    ? writeHostFile(item.entry, writer, options)
    : writeInlineFile(item.entry, writer, options);
}

async function writeHostFile(entry: HostFile, writer: BlobWriter, options: LayerOptions): Promise<void> {
  const file = await openFile(entry.from);
  const { sizeBytes } = file;
  try {
    await writer.append(encodeHeader({ ...entry, type: "file", sizeBytes, mtimeSeconds: options.mtimeSeconds }));
    const onProgress = (doneBytes: number): void => {
      if (doneBytes === sizeBytes || doneBytes % PROGRESS_BYTES === 0) {
        options.onProgress?.(entry.path, doneBytes, sizeBytes);
      }
    };
    await copyFile(file, writer, { onProgress, signal: options.signal });
    await pad(writer, sizeBytes);
  } finally {
    await file.handle.close();
  }
}

async function writeInlineFile(entry: InlineFile, writer: BlobWriter, options: LayerOptions): Promise<void> {
  const content = typeof entry.content === "string" ? Buffer.from(entry.content, "utf8") : entry.content;
  const sizeBytes = content.byteLength;
  await writer.append(encodeHeader({ ...entry, type: "file", sizeBytes, mtimeSeconds: options.mtimeSeconds }));
  await writer.append(content);
  await pad(writer, sizeBytes);
}

async function pad(writer: BlobWriter, sizeBytes: number): Promise<void> {
  const padding = paddingBytes(sizeBytes);
  if (padding > 0) await writer.append(Buffer.alloc(padding));
}
