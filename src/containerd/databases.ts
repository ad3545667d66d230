import type { ContainerdFiles } from "../core/builder.ts";
import type { Digest } from "../core/digest.ts";
import { bucketAt, findBucket, getValue, putValue, type BoltBucket } from "../bolt/bolt-bucket.ts";
import { readBolt } from "../bolt/read-bolt.ts";
import { writeBolt } from "../bolt/write-bolt.ts";
import { goTime, readUvarint, uvarint, varint } from "./encodings.ts";

/** Where kubelet's images are. */
const NAMESPACE = "k8s.io";
const SNAPSHOTTER = "overlayfs";
const SCHEMA = "v1";
/** Of containerd 1.4 to 2.0; 2.1 raises 3 to 4, which adds to other parts of the database. */
const OLDEST_VERSION = 3n;
const NEWEST_VERSION = 4n;
/** `snapshots.KindCommitted`. */
const COMMITTED = 3;

/** A database that this file does not know how to add to. */
export class UnknownSchema extends Error {
  override readonly name = "UnknownSchema";
}

export interface ImageRecord {
  readonly name: string;
  readonly target: { readonly digest: Digest; readonly mediaType: string; readonly size: number };
  readonly labels: Readonly<Record<string, string>>;
}

export interface BlobRecord {
  readonly digest: Digest;
  readonly bytes: number;
  readonly labels: Readonly<Record<string, string>>;
}

export interface Usage {
  readonly bytes: number;
  readonly inodes: number;
}

/**
 * containerd's two databases, to which images, blobs and snapshots are added as a pull would have. Layout: core/metadata/buckets.go
 * and core/snapshots/storage/bolt.go of containerd; what is there already stays as it is.
 */
export class ContainerdDatabases {
  readonly #metadata: BoltBucket;
  readonly #snapshots: BoltBucket;
  readonly #at: Buffer;

  /**
   * @param atMs when all of this is said to have happened, in milliseconds since 1970.
   * @throws UnknownSchema for databases of a containerd that is too old or too new; whatever `readBolt` says.
   */
  constructor(files: ContainerdFiles, atMs: number) {
    this.#metadata = readBolt(files.metadata, "containerd's meta.db");
    this.#snapshots = readBolt(files.snapshots, "containerd's metadata.db");
    this.#at = goTime(atMs);
    this.#checkVersion();
  }

  /** As files again. */
  files(): ContainerdFiles {
    return { metadata: writeBolt(this.#metadata), snapshots: writeBolt(this.#snapshots) };
  }

  hasBlob(digest: Digest): boolean {
    return findBucket(this.#blobs, [digest]) !== undefined;
  }

  /** Labels of a blob that is there already are added to. */
  addBlob({ digest, bytes, labels }: BlobRecord): void {
    const bucket = bucketAt(this.#blobs, [digest]);
    if (getValue(bucket, "createdat") === undefined) {
      this.#stamp(bucket);
      putValue(bucket, "size", varint(BigInt(bytes)));
    }
    putLabels(bucket, labels);
  }

  /** An image of that name that is there already is another one from now on. */
  addImage({ name, target, labels }: ImageRecord): void {
    const bucket = bucketAt(this.#namespace, ["images", name]);
    this.#stamp(bucket);
    putLabels(bucket, labels);
    const pointer = bucketAt(bucket, ["target"]);
    putValue(pointer, "digest", target.digest);
    putValue(pointer, "mediatype", target.mediaType);
    putValue(pointer, "size", varint(BigInt(target.size)));
  }

  hasSnapshot(chainId: Digest): boolean {
    return findBucket(this.#names, [chainId]) !== undefined;
  }

  /** Adds the snapshot of a layer on that of its parent. @returns the name of its folder below `snapshots/`. */
  addSnapshot(chainId: Digest, parent: Digest | undefined): string {
    // The number in the name and the number of the folder are counted apart from each other.
    const name = `${NAMESPACE}/${String(next(this.#names))}/${chainId}`;
    const own = bucketAt(this.#names, [chainId]);
    putValue(own, "name", name);
    this.#stamp(own);
    const kept = bucketAt(this.#snapshots, [SCHEMA, "snapshots"]);
    const id = next(kept);
    const record = bucketAt(kept, [name]);
    putValue(record, "id", uvarint(id));
    putValue(record, "kind", Buffer.of(COMMITTED));
    this.#stamp(record);
    if (parent !== undefined) this.#link({ chainId, name, id, own, record, parent });
    return String(id);
  }

  /** What a snapshot takes, as `du` counts it. */
  setUsage(chainId: Digest, { bytes, inodes }: Usage): void {
    const record = bucketAt(this.#snapshots, [SCHEMA, "snapshots", this.#nameOf(chainId)]);
    putValue(record, "size", varint(BigInt(bytes)));
    putValue(record, "inodes", varint(BigInt(inodes)));
  }

  #link(of: {
    readonly chainId: Digest;
    readonly name: string;
    readonly id: bigint;
    readonly own: BoltBucket;
    readonly record: BoltBucket;
    readonly parent: Digest;
  }): void {
    putValue(of.own, "parent", of.parent);
    putValue(bucketAt(this.#names, [of.parent, "children"]), of.chainId, "");
    const parentName = this.#nameOf(of.parent);
    putValue(of.record, "parent", parentName);
    const parentRecord = bucketAt(this.#snapshots, [SCHEMA, "snapshots", parentName]);
    const parentId = readUvarint(getValue(parentRecord, "id") ?? Buffer.alloc(0));
    if (parentId === undefined) throw new UnknownSchema(`snapshot ${parentName} has no number`);
    // The zero byte stands between two numbers that have no length.
    const key = Buffer.concat([uvarint(parentId), Buffer.of(0), uvarint(of.id)]);
    bucketAt(this.#snapshots, [SCHEMA, "parents"]).entries.set(key.toString("latin1"), Buffer.from(of.name));
  }

  #checkVersion(): void {
    const schema = bucketAt(this.#metadata, [SCHEMA]);
    const version = getValue(schema, "version");
    if (version === undefined && schema.entries.size > 0) throw new UnknownSchema("meta.db says no version");
    if (version === undefined) {
      putValue(schema, "version", varint(OLDEST_VERSION));
      return;
    }
    const doubled = readUvarint(version);
    if (doubled !== undefined && doubled >= 2n * OLDEST_VERSION && doubled <= 2n * NEWEST_VERSION) return;
    throw new UnknownSchema(`meta.db is of version ${doubled === undefined ? "?" : String(doubled / 2n)}`);
  }

  /** What the snapshotter calls a snapshot. */
  #nameOf(chainId: Digest): string {
    const name = getValue(bucketAt(this.#names, [chainId]), "name");
    if (name === undefined) throw new UnknownSchema(`snapshot ${chainId} has no name`);
    return Buffer.from(name).toString("utf8");
  }

  get #namespace(): BoltBucket {
    return bucketAt(this.#metadata, [SCHEMA, NAMESPACE]);
  }

  get #blobs(): BoltBucket {
    return bucketAt(this.#namespace, ["content", "blob"]);
  }

  get #names(): BoltBucket {
    return bucketAt(this.#namespace, ["snapshots", SNAPSHOTTER]);
  }

  #stamp(bucket: BoltBucket): void {
    putValue(bucket, "createdat", this.#at);
    putValue(bucket, "updatedat", this.#at);
  }
}

function putLabels(bucket: BoltBucket, labels: Readonly<Record<string, string>>): void {
  const entries = Object.entries(labels);
  if (entries.length === 0) return;
  const own = bucketAt(bucket, ["labels"]);
  for (const [name, value] of entries) putValue(own, name, value);
}

function next(bucket: BoltBucket): bigint {
  bucket.sequence += 1n;
  return bucket.sequence;
}
