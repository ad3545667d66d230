import { KvciError } from "../core/error.ts";
import { isBucket, sortedEntries, type BoltBucket, type BoltEntry, type BoltKey } from "./bolt-bucket.ts";
import { BOLT, metaChecksum } from "./read-bolt.ts";

/** What bbolt takes where containerd runs; it opens files of any other size as well. */
const PAGE_BYTES = 4096;
/** bbolt's own limit, so that a bucket it opens is stored the way it would store it. */
const MAX_INLINE_BYTES = PAGE_BYTES / 4;
const FREELIST = 2;
const FIRST_DATA_PAGE = 3;
const MAX_SEQUENCE = 2n ** 64n - 1n;
const NOTHING = new Uint8Array();

/** An element of a branch or leaf, before its place is known. */
interface Item {
  readonly key: BoltKey;
  /** Nothing in a branch. */
  readonly value: Uint8Array;
  /** BOLT.bucketElement or 0. */
  readonly flags: number;
  /** The page below; 0 in a leaf. */
  readonly page: number;
}

/** A bucket with its entries as the file has them. */
interface Sorted {
  readonly bucket: BoltBucket;
  readonly entries: readonly [BoltKey, BoltEntry][];
}

/**
 * Writes a database as a file of its own, without gaps: pages of 4 KiB filled from the front, nothing free. Equal trees become equal
 * bytes. bbolt opens it and goes on writing to it.
 *
 * @throws {KvciError} `internal` for what bbolt cannot hold: keys of no or more than 32 KiB bytes, sequences beyond 64 bits,
 *   a bucket in two places.
 */
export function writeBolt(root: BoltBucket): Buffer {
  const file = newFile();
  // What the leaf above has as a bucket's value.
  const stored = new Map<BoltEntry, Buffer>();
  // Innermost first, because a bucket's value says where the bucket is; not a recursion, because buckets nest without limit.
  for (const { bucket, entries } of outermostFirst(root).reverse()) {
    const items = entries.map(([key, entry]) => itemOf(key, entry, stored));
    const inline = bucket !== root && fitsInline(items);
    const header = bucketHeader(bucket, inline ? 0 : writeTree(items, file));
    stored.set(bucket, inline ? Buffer.concat([header, encodeNode(BOLT.leafPage, items)]) : header);
  }
  return file.finish(stored.get(root) ?? NOTHING);
}

function outermostFirst(root: BoltBucket): Sorted[] {
  const seen = new Set([root]);
  const sorted: Sorted[] = [];
  // A set is read in the order it grows in, also while it grows.
  for (const bucket of seen) {
    const entries = sortedEntries(bucket);
    sorted.push({ bucket, entries });
    for (const [, entry] of entries) {
      if (!isBucket(entry)) continue;
      if (seen.has(entry)) throw unfit("a bucket that is in two places");
      seen.add(entry);
    }
  }
  return sorted;
}

function itemOf(key: BoltKey, entry: BoltEntry, stored: ReadonlyMap<BoltEntry, Buffer>): Item {
  if (key.length === 0 || key.length > BOLT.maxKeyBytes) throw unfit(`a key of ${key.length} bytes`);
  if (Buffer.from(key, "latin1").toString("latin1") !== key) throw unfit(`the key "${key}", which is not bytes`);
  if (!isBucket(entry)) return { key, value: entry, flags: 0, page: 0 };
  return { key, value: stored.get(entry) ?? NOTHING, flags: BOLT.bucketElement, page: 0 };
}

/** A small bucket without buckets in it is kept in the leaf above. */
function fitsInline(items: readonly Item[]): boolean {
  return items.every(({ flags }) => flags !== BOLT.bucketElement) && nodeBytes(items) <= MAX_INLINE_BYTES;
}

function bucketHeader({ sequence }: BoltBucket, page: number): Buffer {
  if (sequence < 0n || sequence > MAX_SEQUENCE) throw unfit(`the sequence ${sequence}`);
  const header = Buffer.alloc(BOLT.bucketBytes);
  header.writeBigUInt64LE(BigInt(page), 0);
  header.writeBigUInt64LE(sequence, 8);
  return header;
}

/** Writes leaves, then levels of branches until there is one page. @returns its number. */
function writeTree(items: readonly Item[], file: BoltFile): number {
  const write = (flag: number) => (group: readonly Item[]) => {
    const page = file.add(encodeNode(flag, group));
    return { key: group[0]?.key ?? "", value: NOTHING, flags: 0, page };
  };
  let level = split(items, 1).map(write(BOLT.leafPage));
  // bbolt merges pages with their neighbours below the same branch, and takes it that there is one: at least two for each.
  while (level.length > 1) level = split(level, 2).map(write(BOLT.branchPage));
  return level[0]?.page ?? 0;
}

/** Groups that fill a page each. One that does not fit with its least number of items goes on over the pages behind. */
function split(items: readonly Item[], fewest: number): Item[][] {
  let last: Item[] = [];
  const groups = [last];
  let bytes: number = BOLT.headerBytes;
  for (const item of items) {
    if (last.length >= fewest && bytes + itemBytes(item) > PAGE_BYTES) {
      groups.push((last = []));
      bytes = BOLT.headerBytes;
    }
    last.push(item);
    bytes += itemBytes(item);
  }
  evenOut(groups, fewest);
  return groups;
}

/** Gives the last group its least number of items, from the one before it or together with it. */
function evenOut(groups: Item[][], fewest: number): void {
  const [previous, last] = groups.slice(-2);
  if (!previous || !last || last.length >= fewest) return;
  groups.splice(-2);
  const both = [...previous, ...last];
  const middle = both.length - fewest;
  groups.push(...(middle < fewest ? [both] : [both.slice(0, middle), both.slice(middle)]));
}

function itemBytes({ key, value }: Item): number {
  return BOLT.elementBytes + key.length + value.length;
}

function nodeBytes(items: readonly Item[]): number {
  return items.reduce<number>((bytes, item) => bytes + itemBytes(item), BOLT.headerBytes);
}

/** A branch or leaf as it is in the file, except for the number of its page and of those behind it. */
function encodeNode(flag: number, items: readonly Item[]): Buffer {
  const node = Buffer.alloc(nodeBytes(items));
  node.writeUInt16LE(flag, 8);
  node.writeUInt16LE(items.length, 10);
  let at: number = BOLT.headerBytes;
  let data = at + items.length * BOLT.elementBytes;
  for (const item of items) {
    const element = node.subarray(at, at + BOLT.elementBytes);
    if (flag === BOLT.leafPage) writeLeafElement(element, item, data - at);
    else writeBranchElement(element, item, data - at);
    at += BOLT.elementBytes;
    data += node.write(item.key, data, "latin1");
    node.set(item.value, data);
    data += item.value.length;
  }
  return node;
}

function writeLeafElement(element: Buffer, { key, value, flags }: Item, position: number): void {
  element.writeUInt32LE(flags, 0);
  element.writeUInt32LE(position, 4);
  element.writeUInt32LE(key.length, 8);
  element.writeUInt32LE(value.length, 12);
}

function writeBranchElement(element: Buffer, { key, page }: Item, position: number): void {
  element.writeUInt32LE(position, 0);
  element.writeUInt32LE(key.length, 4);
  element.writeBigUInt64LE(BigInt(page), 8);
}

interface BoltFile {
  /** @returns the number of the page that `node` is written to. */
  add(node: Buffer): number;
  /** @param root the root bucket as a leaf above would have it. */
  finish(root: Uint8Array): Buffer;
}

function newFile(): BoltFile {
  const written: Buffer[] = [];
  let next = FIRST_DATA_PAGE;
  return {
    add(node) {
      const id = next;
      const pages = Math.ceil(node.length / PAGE_BYTES);
      const bytes = Buffer.alloc(pages * PAGE_BYTES);
      node.copy(bytes);
      bytes.writeBigUInt64LE(BigInt(id), 0);
      bytes.writeUInt32LE(pages - 1, 12);
      written.push(bytes);
      next += pages;
      return id;
    },
    // As in a file that bbolt has just made, the second meta page is the newer one.
    finish: (root) => Buffer.concat([metaPage(0, root, next), metaPage(1, root, next), freelistPage(), ...written]),
  };
}

function metaPage(id: 0 | 1, root: Uint8Array, pages: number): Buffer {
  const page = Buffer.alloc(PAGE_BYTES);
  page.writeBigUInt64LE(BigInt(id), 0);
  page.writeUInt16LE(BOLT.metaPage, 8);
  const meta = page.subarray(BOLT.headerBytes);
  meta.writeUInt32LE(BOLT.magic, 0);
  meta.writeUInt32LE(BOLT.version, 4);
  meta.writeUInt32LE(PAGE_BYTES, 8);
  meta.set(root, 16);
  meta.writeBigUInt64LE(BigInt(FREELIST), 32);
  meta.writeBigUInt64LE(BigInt(pages), 40);
  // bbolt counts transactions here and writes the next one over page (txid mod 2).
  meta.writeBigUInt64LE(BigInt(id), 48);
  meta.writeBigUInt64LE(metaChecksum(meta), 56);
  return page;
}

function freelistPage(): Buffer {
  const page = Buffer.alloc(PAGE_BYTES);
  page.writeBigUInt64LE(BigInt(FREELIST), 0);
  page.writeUInt16LE(BOLT.freelistPage, 8);
  return page;
}

function unfit(what: string): KvciError {
  return new KvciError("internal", `bbolt cannot hold ${what}`, { hint: "Report this." });
}
