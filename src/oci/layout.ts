import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { canonicalJson } from "../core/canonical-json.ts";
import { KvciError } from "../core/error.ts";
import { BlobWriter, TEMPORARY_PREFIX } from "./blob-writer.ts";
import { REF_NAME, type Descriptor } from "./descriptor.ts";
import { indexSchema, type Index } from "./manifest.ts";
import { IMAGE_INDEX } from "./media-types.ts";
import { errnoOf, writeError } from "../core/file-system-error.ts";
import { jsonOf } from "../core/parse-json.ts";

const LAYOUT_FILE = canonicalJson({ imageLayoutVersion: "1.0.0" });

/**
 * Makes a folder ready to take blobs: an empty layout without an index, which reads as incomplete, or the layout that
 * is there, without what a killed writer left in it. A layout has one writer at a time; the caller sees to that.
 *
 * @throws {KvciError} `store-full`, `store-unusable`
 */
export async function prepareLayout(folder: string): Promise<void> {
  const blobs = join(folder, "blobs", "sha256");
  try {
    await mkdir(blobs, { recursive: true });
    await removeLeftovers(folder);
    await removeLeftovers(blobs);
  } catch (error) {
    throw writeError(error, folder);
  }
  await replaceFile(folder, "oci-layout", LAYOUT_FILE);
}

/** Stores a value as a blob of canonical JSON, so that equal values have equal digests. */
export async function writeJsonBlob(folder: string, mediaType: string, value: unknown): Promise<Descriptor> {
  const writer = await BlobWriter.create(folder);
  try {
    await writer.append(Buffer.from(canonicalJson(value), "utf8"));
    return { mediaType, ...(await writer.finish()) };
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

/**
 * Lists a manifest in the layout's index, in the place of the one with the same platform and reference name. The index
 * is replaced as a whole, after everything it leads to is on the disk: a reader sees the old image or the new one.
 *
 * @throws {KvciError} `layout-invalid` when there is an index that cannot be read; `store-full`, `store-unusable`
 */
export async function putManifest(folder: string, manifest: Descriptor): Promise<void> {
  await syncFolder(join(folder, "blobs", "sha256"));
  const { manifests, ...rest } = await readIndex(folder);
  const others = manifests.filter((known) => slot(known) !== slot(manifest));
  const sorted = [...others, manifest].sort((a, b) => (slot(a) < slot(b) ? -1 : 1));
  await replaceFile(folder, "index.json", canonicalJson({ ...rest, manifests: sorted }));
}

/** What tells manifests in an index apart for a reader: of two with the same, only one can be meant. */
function slot({ annotations, platform }: Descriptor): string {
  const { os, architecture, variant } = platform ?? {};
  return canonicalJson({ ref: annotations?.[REF_NAME], os, architecture, variant });
}

async function readIndex(folder: string): Promise<Index> {
  const path = join(folder, "index.json");
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw writeError(error, path);
  });
  if (text === undefined) return { schemaVersion: 2, mediaType: IMAGE_INDEX, manifests: [] };
  const parsed = indexSchema.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  throw new KvciError("layout-invalid", `${path} is not the index of an OCI layout`, {
    hint: `Remove ${folder} and run the same command again.`,
    cause: parsed.error,
  });
}

async function replaceFile(folder: string, name: string, text: string): Promise<void> {
  const temporary = join(folder, `${TEMPORARY_PREFIX}${name}`);
  try {
    const handle = await open(temporary, "w", 0o644);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, join(folder, name));
    await syncFolder(folder);
  } catch (error) {
    await rm(temporary, { force: true });
    throw writeError(error, join(folder, name));
  }
}

/** Makes renames in a folder survive a power cut. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r");
    await handle.sync().finally(() => handle.close());
  } catch (error) {
    throw writeError(error, folder);
  }
}

async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith(TEMPORARY_PREFIX)) await rm(join(folder, name), { recursive: true, force: true });
  }
}
