import { readFile } from "node:fs/promises";
import type { ContainerdFiles, ImageDisk } from "../core/builder.ts";
import { sha256, type Digest } from "../core/digest.ts";
import { KvciError } from "../core/error.ts";
import { namesOf } from "../core/image-reference.ts";
import { jsonOf } from "../core/parse-json.ts";
import type { FetchedImage, StoredBlob } from "../images/fetch-images.ts";
import { uniqueBlobs } from "../images/image-disk.ts";
import { parseDocument } from "../images/image-manifest.ts";
import { convertLayer, NotConvertible, type DirectoryMap } from "../images/overlay-layer.ts";
import { writeTarDisk, type DiskContext, type TarDisk } from "../images/tar-disk.ts";
import { configSchema, type Manifest } from "../oci/manifest.ts";
import { ContainerdDatabases, UnknownSchema } from "./databases.ts";

/** Below containerd's root. */
const CONTENT = "io.containerd.content.v1.content/blobs";
const SNAPSHOTS = "io.containerd.snapshotter.v1.overlayfs";
const METADATA = "io.containerd.metadata.v1.bolt";
/** By this label the CRI plugin knows what it has seen: it sets it when an image has the name of its configuration's digest, too. */
const MANAGED = { "io.cri-containerd.image": "managed" };

/**
 * Writes a raw disk that is a tar of what containerd's root has to have more of: blobs, unpacked layers, and both databases with
 * what they had before and the images. Unpacking it is all that a guest has to do, which an emulated one does some ten times faster
 * than containerd pulls or imports.
 *
 * @param databases of the guest; its containerd must not run until the disk was unpacked.
 * @returns undefined, with the reason in the journal, where the guest's containerd has to import the images itself.
 * @throws {KvciError} `digest-mismatch` for a blob that is damaged or a layer that is not what its image says; `store-full`,
 *   `store-unusable`, `interrupted`
 */
export async function writeStoreDisk(
  images: readonly FetchedImage[],
  databases: ContainerdFiles,
  context: DiskContext,
): Promise<ImageDisk | undefined> {
  // Blobs that are layers are read twice: as they are, and to be unpacked.
  const totalBytes = 2 * uniqueBlobs(images).reduce((sum, { bytes }) => sum + bytes, 0);
  try {
    const known = new ContainerdDatabases(databases, Date.now());
    const file = await writeTarDisk({ ...context, totalBytes }, (disk) =>
      new StoreDisk(disk, known, context).write(images),
    );
    return { ...file, form: "containerd" };
  } catch (error) {
    if (!(error instanceof NotConvertible || error instanceof UnknownSchema)) throw error;
    const detail = `${error.message}; containerd imports the images itself, which takes longer`;
    context.journal.emit({ type: "warning", subject: "container images", detail });
    return undefined;
  }
}

/** A layer in a chain. */
interface Link {
  readonly blob: StoredBlob & { readonly mediaType: string };
  readonly diffId: Digest;
  readonly chainId: Digest;
  readonly parent: Digest | undefined;
}

interface ReadImage {
  readonly fetched: FetchedImage;
  readonly manifest: Manifest;
  readonly chain: readonly Link[];
}

class StoreDisk {
  readonly #disk: TarDisk;
  readonly #databases: ContainerdDatabases;
  readonly #context: DiskContext;
  /** Directories of every chain that was gone through, by its id. */
  readonly #directories = new Map<Digest, DirectoryMap>();

  constructor(disk: TarDisk, databases: ContainerdDatabases, context: DiskContext) {
    this.#disk = disk;
    this.#databases = databases;
    this.#context = context;
  }

  async write(images: readonly FetchedImage[]): Promise<void> {
    for (const blob of uniqueBlobs(images)) {
      if (!this.#databases.hasBlob(blob.digest)) {
        await this.#disk.blob(`${CONTENT}/${blob.digest.replace(":", "/")}`, blob);
      }
    }
    for (const fetched of images) {
      const image = await this.#read(fetched);
      const isThere = image.chain.every(({ chainId }) => this.#databases.hasSnapshot(chainId));
      if (!isThere) for (const link of image.chain) await this.#layer(link, image);
      this.#record(image);
    }
    const { metadata, snapshots } = this.#databases.files();
    // Last: as long as these are as they were, containerd knows nothing of the rest.
    await this.#disk.small(`${SNAPSHOTS}/metadata.db`, snapshots, { mode: 0o600 });
    await this.#disk.small(`${METADATA}/meta.db`, metadata, { mode: 0o644 });
  }

  async #read(fetched: FetchedImage): Promise<ReadImage> {
    const { ref, manifest: digest } = fetched.image;
    const document = parseDocument(await readFile(this.#context.store.blobPath(digest)), ref);
    if (document.kind === "index") throw new NotConvertible(`${ref}: its manifest is an index`);
    const { manifest } = document;
    const text = await readFile(this.#context.store.blobPath(manifest.config.digest), "utf8");
    const config = configSchema.safeParse(jsonOf(text));
    const diffIds = config.data?.rootfs.diff_ids ?? [];
    if (diffIds.length === 0 || diffIds.length !== manifest.layers.length) {
      throw new NotConvertible(`${ref}: its configuration does not say what its layers are`);
    }
    return { fetched, manifest, chain: chainOf(manifest, diffIds) };
  }

  async #layer(link: Link, { fetched }: ReadImage): Promise<void> {
    const isThere = this.#databases.hasSnapshot(link.chainId);
    if (isThere && this.#directories.has(link.chainId)) return;
    if (isThere) {
      // In the guest already; the layers on it have to know its directories.
      await this.#convert(link, { folder: "", write: () => Promise.resolve(), of: fetched });
      return;
    }
    const folder = `${SNAPSHOTS}/snapshots/${this.#databases.addSnapshot(link.chainId, link.parent)}`;
    await this.#disk.small(folder, "directory", { mode: 0o700 });
    await this.#disk.small(`${folder}/work`, "directory", { mode: 0o711 });
    const write = this.#disk.append;
    this.#databases.setUsage(link.chainId, await this.#convert(link, { folder: `${folder}/fs`, write, of: fetched }));
  }

  async #convert(
    { blob, diffId, chainId, parent }: Link,
    to: { readonly folder: string; readonly write: (bytes: Uint8Array) => Promise<void>; readonly of: FetchedImage },
  ): Promise<{ readonly bytes: number; readonly inodes: number }> {
    const { folder, write, of } = to;
    const { signal } = this.#context;
    const below = parent === undefined ? undefined : this.#directories.get(parent);
    const { mediaType } = blob;
    const converted = await convertLayer(this.#disk.pieces(blob), { mediaType, folder, below, write, signal });
    if (converted.diffId !== diffId) throw otherLayer(of.image.ref, blob.digest, diffId);
    this.#directories.set(chainId, converted.directories);
    return converted;
  }

  /** As a pull leaves it: labels lead from the image to all it needs, so that nothing of it is taken for garbage. */
  #record({ fetched: { image, top, blobs }, manifest, chain }: ReadImage): void {
    const { config, layers } = manifest;
    const ofManifest = Object.fromEntries([
      ["containerd.io/gc.ref.content.config", config.digest],
      ...layers.map(({ digest }, index) => [`containerd.io/gc.ref.content.l.${String(index)}`, digest] as const),
    ]);
    const uncompressed = new Map(chain.map(({ blob, diffId }) => [blob.digest, diffId]));
    const last = chain.at(-1)?.chainId ?? "";
    const labelsOf = (digest: Digest): Readonly<Record<string, string>> => {
      if (digest === image.manifest) return ofManifest;
      if (digest === image.digest) return { "containerd.io/gc.ref.content.m.0": image.manifest };
      if (digest === config.digest) return { "containerd.io/gc.ref.snapshot.overlayfs": last };
      const diffId = uncompressed.get(digest);
      return diffId === undefined || diffId === digest ? {} : { "containerd.io/uncompressed": diffId };
    };
    for (const { digest, bytes } of blobs) this.#databases.addBlob({ digest, bytes, labels: labelsOf(digest) });
    for (const name of [...namesOf(image), config.digest]) {
      this.#databases.addImage({ name, target: top, labels: MANAGED });
    }
  }
}

/** The id of a chain is that of its lowest layer, or the digest of the id below and of the layer: OCI image specification, config. */
function chainOf({ layers }: Manifest, diffIds: readonly Digest[]): readonly Link[] {
  const chain: Link[] = [];
  for (const [index, { digest, size, mediaType }] of layers.entries()) {
    const diffId = diffIds[index] ?? digest;
    const parent = chain.at(-1)?.chainId;
    const chainId = parent === undefined ? diffId : sha256(`${parent} ${diffId}`);
    chain.push({ blob: { digest, bytes: size, mediaType }, diffId, chainId, parent });
  }
  return chain;
}

function otherLayer(ref: string, layer: Digest, diffId: Digest): KvciError {
  return new KvciError("digest-mismatch", `${ref}: layer ${layer} does not unpack to what the image says (${diffId})`, {
    hint: "The image is broken where it comes from: pin another digest of it.",
  });
}
