import { open } from "node:fs/promises";
import { join } from "node:path";
import { withDisposal } from "../core/disposal.ts";
import { KvciError } from "../core/error.ts";
import { writeError } from "../core/file-system-error.ts";
import type { ByteSource } from "./byte-source.ts";
import { checkSignal } from "./check-signal.ts";
import { verifyBlobs } from "./inspect.ts";
import { LAYERED_DISK } from "./layered-disk.ts";
import { READ_BYTES, withLayerTar } from "./layer-source.ts";
import { layerCompression } from "./media-types.ts";
import { blobFile, startReading, type Reading } from "./read-blob.ts";
import { scanLayout, type LayoutImage } from "./read-layout.ts";
import { listTar, type TarFile } from "./tar-list.ts";

/** A disk's file in an image: right below `disk/`, with a name that means the same everywhere. */
const DISK_FILE = /^disk\/([A-Za-z0-9_][A-Za-z0-9._+-]*)$/;

export interface ExtractOptions {
  /** Reference name of the image; not needed where one image, or one with a layered disk, is in the layout. */
  readonly ref?: string | undefined;
  /** Folder that the files are put into. It is there, and empty. */
  readonly folder: string;
  readonly signal?: AbortSignal | undefined;
}

export interface ExtractedDisk {
  readonly image: LayoutImage;
  /** Names of the files, in the order of the image's layers. */
  readonly files: readonly string[];
}

/**
 * Unpacks the files of an image's disk from a layout. Digests are checked before anything is unpacked.
 *
 * @throws {KvciError} `layout-invalid` with all that is wrong, and for an image that holds more than a disk; `usage` when it
 *   is not clear which image is meant; `store-full`, `store-unusable`, `interrupted`.
 */
export async function extractDisk(layout: string, options: ExtractOptions): Promise<ExtractedDisk> {
  const reading = startReading(layout);
  const { images } = await scanLayout(reading);
  reading.problems.throwIfAny();
  const image = chooseImage(images, { layout, ref: options.ref });
  const layers = image.manifest.layers;
  await verifyBlobs(
    reading,
    options.signal,
    layers.map(({ digest }) => digest),
  );
  reading.problems.throwIfAny();
  const files: string[] = [];
  for (const layer of layers) files.push(...(await extractLayer(reading, layer, options)));
  return { image, files };
}

function chooseImage(
  images: readonly LayoutImage[],
  { layout, ref }: { readonly layout: string; readonly ref: string | undefined },
): LayoutImage {
  const named = ref === undefined ? images : images.filter((image) => image.ref === ref);
  const layered = named.filter(({ manifest }) => manifest.annotations?.[LAYERED_DISK] !== undefined);
  const [image, ...others] = layered.length > 0 ? layered : named;
  if (image && others.length === 0) return image;
  const what = image ? "more than one image" : "no image";
  throw new KvciError("usage", `${layout} has ${what}${ref === undefined ? "" : ` named ${JSON.stringify(ref)}`}`, {
    hint: "Say which one is meant by its name: --ref NAME.",
    evidence: images.map((each) => `${each.ref ?? "without a name"} (${each.platform.os}/${each.platform.arch})`),
  });
}

async function extractLayer(
  { folder: layout, problems }: Reading,
  { digest, size, mediaType }: LayoutImage["manifest"]["layers"][number],
  { folder, signal }: ExtractOptions,
): Promise<readonly string[]> {
  const file = blobFile(digest);
  const compression = layerCompression(mediaType);
  const names: string[] = [];
  if (compression === undefined) problems.add(file, `is no layer of a disk: ${mediaType}`);
  problems.throwIfAny();
  const blob = { path: join(layout, file), sizeBytes: size, compression: compression ?? "none", signal };
  // listTar makes lines of errors; those that say what to do are kept and thrown as they are.
  let failure: KvciError | undefined;
  const { problems: found } = await withLayerTar(blob, (source) =>
    listTar(source, async (entry, content) => {
      const name = diskFile(entry);
      if (name === undefined && !isDiskFolder(entry)) problems.add(file, notOfDisk(entry));
      if (name === undefined) return;
      names.push(name);
      await writeContent(join(folder, name), { entry, content, signal }).catch((error: unknown) => {
        failure = error instanceof KvciError ? error : writeError(error, join(folder, name));
        throw failure;
      });
    }),
  );
  if (failure) throw failure;
  for (const problem of found) problems.add(file, problem);
  problems.throwIfAny();
  return names;
}

function diskFile({ path, type }: TarFile): string | undefined {
  return type === "File" || type === "OldFile" ? DISK_FILE.exec(path)?.[1] : undefined;
}

function isDiskFolder({ path, type }: TarFile): boolean {
  return type === "Directory" && path === "disk";
}

function notOfDisk({ path, type }: TarFile): string {
  return `holds ${JSON.stringify(path)} (${type}), which is no file of a disk`;
}

interface Content {
  readonly entry: TarFile;
  readonly content: Pick<ByteSource, "read">;
  readonly signal: AbortSignal | undefined;
}

/** A file that is there already is never written over: two layers with one name are no chain. */
async function writeContent(path: string, { entry, content, signal }: Content): Promise<void> {
  await withDisposal(await open(path, "wx", 0o644), async (handle) => {
    for (let left = entry.sizeBytes; left > 0;) {
      checkSignal(signal);
      const bytes = await content.read(Math.min(left, READ_BYTES));
      if (bytes.byteLength === 0) return; // cut off; the list says so
      await handle.writeFile(bytes);
      left -= bytes.byteLength;
    }
  });
}
