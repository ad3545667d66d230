import { KvciError } from "../core/error.ts";

/**
 * A key's bytes, one character for each ("latin1"): a Map tells such keys apart by value, and `<` sorts them as bbolt does.
 * See `boltKey` and `keyText`.
 */
export type BoltKey = string;

/** What stands behind a key: a value or a bucket, never both. */
export type BoltEntry = Uint8Array | BoltBucket;

/** A bucket of a bbolt database, in memory and free to be changed. The database itself is one, too: its root. */
export interface BoltBucket {
  /** What bbolt's NextSequence counts: 64 bits without a sign. */
  sequence: bigint;
  /** In any order; the file has them by the bytes of their keys. */
  readonly entries: Map<BoltKey, BoltEntry>;
}

/** A bucket with nothing in it; an empty database, if it is to be the root. */
export function newBucket(sequence = 0n): BoltBucket {
  return { sequence, entries: new Map() };
}

/** The key whose bytes are `text` in UTF-8. */
export function boltKey(text: string): BoltKey {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** A key's bytes read as UTF-8; bytes that are no UTF-8 become U+FFFD. */
export function keyText(key: BoltKey): string {
  return Buffer.from(key, "latin1").toString("utf8");
}

/** Whether a key stands for a bucket; undefined, for no such key, is none. */
export function isBucket(entry: BoltEntry | undefined): entry is BoltBucket {
  return entry !== undefined && !(entry instanceof Uint8Array);
}

/** By the bytes of the keys, as the file has them. */
export function sortedEntries({ entries }: BoltBucket): [BoltKey, BoltEntry][] {
  return [...entries].sort(([one], [other]) => (one < other ? -1 : 1));
}

/** @returns the bucket that is reached from `root` by these UTF-8 keys, or undefined if there is none. */
export function findBucket(root: BoltBucket, path: readonly string[]): BoltBucket | undefined {
  let bucket: BoltBucket | undefined = root;
  for (const name of path) {
    const entry: BoltEntry | undefined = bucket?.entries.get(boltKey(name));
    bucket = isBucket(entry) ? entry : undefined;
  }
  return bucket;
}

/**
 * Finds the bucket that is reached from `root` by these UTF-8 keys, and makes every bucket that is not there.
 *
 * @throws {KvciError} `database-invalid` if a value stands where a bucket is wanted
 */
export function bucketAt(root: BoltBucket, path: readonly string[]): BoltBucket {
  let bucket = root;
  for (const name of path) {
    const entry = bucket.entries.get(boltKey(name)) ?? newBucket();
    if (!isBucket(entry)) throw incompatible(name, "a value, and a bucket is wanted");
    bucket.entries.set(boltKey(name), entry);
    bucket = entry;
  }
  return bucket;
}

/** @returns the value of a UTF-8 key, or undefined if there is none or it is a bucket. */
export function getValue(bucket: BoltBucket, key: string): Uint8Array | undefined {
  const entry = bucket.entries.get(boltKey(key));
  return isBucket(entry) ? undefined : entry;
}

/**
 * Sets the value of a UTF-8 key; text is stored as UTF-8.
 *
 * @throws {KvciError} `database-invalid` if the key is that of a bucket: whoever means to lose it deletes it first
 */
export function putValue(bucket: BoltBucket, key: string, value: Uint8Array | string): void {
  if (isBucket(bucket.entries.get(boltKey(key)))) throw incompatible(key, "a bucket, and a value is wanted");
  bucket.entries.set(boltKey(key), typeof value === "string" ? Buffer.from(value, "utf8") : value);
}

function incompatible(key: string, what: string): KvciError {
  return new KvciError("database-invalid", `"${key}" in the database is ${what}`, {
    hint: "The database was written by a program that arranges it differently; look at its buckets with `bbolt buckets`.",
  });
}
