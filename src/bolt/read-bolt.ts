/**
 * The file format of bbolt (go.etcd.io/bbolt), version 2. A file is pages of one size. Pages 0 and 1 are meta pages, of which the
 * valid one with the higher txid counts; from it a B+ tree of branch and leaf pages is reached for the root bucket. A bucket in a
 * bucket is a leaf's value: page and sequence, or, if the page is 0, the bucket's only leaf itself ("inline"). A page's data may go on
 * over the pages behind it ("overflow"). bbolt writes in the machine's byte order, which is little-endian wherever our images run.
 */
import { KvciError } from "../core/error.ts";
import { newBucket, type BoltBucket, type BoltKey } from "./bolt-bucket.ts";

/** What reader and writer must agree on with bbolt. */
export const BOLT = {
  magic: 0xed0cdaed,
  version: 2,
  /** id u64, flags u16, count of elements u16, overflow u32 (pages beyond the first). */
  headerBytes: 16,
  /** magic, version, page size and flags u32; root's page and sequence, freelist, high-water mark, txid and checksum u64. */
  metaBytes: 64,
  /** Leaf: flags, position, key and value size u32. Branch: position, key size u32, page u64. Positions count from the element. */
  elementBytes: 16,
  /** page u64, sequence u64. */
  bucketBytes: 16,
  branchPage: 0x01,
  leafPage: 0x02,
  metaPage: 0x04,
  freelistPage: 0x10,
  /** Flag of a leaf's element whose value is a bucket. */
  bucketElement: 1,
  maxKeyBytes: 32_768,
} as const;

/** bbolt looks for the second meta page of a file whose first is damaged at 1 KiB, 2 KiB and so on up to this. */
const MAX_PAGE_BYTES = 16 * 1024 * 1024;

interface Meta {
  readonly pageBytes: number;
  /** The root bucket as a leaf's value would have it. */
  readonly root: Buffer;
  /** High-water mark: pages of this number and above are not in use. */
  readonly pages: bigint;
  readonly txid: bigint;
}

/** Keys at least `from` and below `to`: what the branch page above says of a page. */
interface KeyRange {
  readonly from: BoltKey;
  readonly to: BoltKey | undefined;
}

/** A branch or a leaf: its page with header and overflow, or an inline one. */
interface Node {
  /** What it holds a part of. */
  readonly bucket: BoltBucket;
  readonly bytes: Buffer;
  /** Whether it is a leaf in a leaf. */
  readonly inline: boolean;
  readonly keys: KeyRange;
  /** For messages. */
  readonly name: string;
}

type Page = Pick<Node, "bytes" | "inline" | "name">;

/** Offsets in the node's bytes, and what else an element says. */
interface Place {
  readonly flags: number;
  readonly start: number;
  readonly keyEnd: number;
  readonly end: number;
  readonly page: bigint;
}

interface Element extends Place {
  readonly key: BoltKey;
  readonly value: Buffer;
}

const ALL_KEYS: KeyRange = { from: "", to: undefined };

/**
 * Reads a whole bbolt database. The free list is not looked at: containerd does not write one.
 *
 * @param bytes the file; one of 0 bytes is an empty database, as it is for bbolt. Values of the result share its memory.
 * @param where what messages call it.
 * @throws {KvciError} `database-invalid` if it is no such file, or if anything in it that is in use does not fit
 */
export function readBolt(bytes: Buffer, where: string): BoltBucket {
  if (bytes.length === 0) return newBucket();
  const meta = newestMeta(bytes);
  if (!meta) throw damaged(where, "has no valid meta page");
  const take = pageTaker({ bytes, where }, meta);
  const root = newBucket(meta.root.readBigUInt64LE(8));
  // A list that grows while it is read, not a recursion: a damaged file may nest as deep as it has pages.
  const nodes: Node[] = [{ bucket: root, keys: ALL_KEYS, ...take(meta.root.readBigUInt64LE(0)) }];
  for (const node of nodes) nodes.push(...readNode(node, take));
  return root;
}

function newestMeta(bytes: Buffer): Meta | undefined {
  const first = metaAt(bytes, 0);
  const second = first ? metaAt(bytes, first.pageBytes) : secondMeta(bytes);
  if (!first || !second) return first ?? second;
  return first.txid > second.txid ? first : second;
}

/** The second meta page of a file whose first one does not say how large pages are. */
function secondMeta(bytes: Buffer): Meta | undefined {
  for (let at = 1024; at <= MAX_PAGE_BYTES; at *= 2) {
    const meta = metaAt(bytes, at);
    if (meta?.pageBytes === at) return meta;
  }
  return undefined;
}

function metaAt(bytes: Buffer, pageAt: number): Meta | undefined {
  const meta = bytes.subarray(pageAt + BOLT.headerBytes, pageAt + BOLT.headerBytes + BOLT.metaBytes);
  if (meta.length < BOLT.metaBytes) return undefined;
  if (meta.readUInt32LE(0) !== BOLT.magic || meta.readUInt32LE(4) !== BOLT.version) return undefined;
  if (meta.readBigUInt64LE(56) !== metaChecksum(meta)) return undefined;
  const pageBytes = meta.readUInt32LE(8);
  // A page that cannot hold a meta page is a size nobody can have meant.
  if (pageBytes < BOLT.headerBytes + BOLT.metaBytes) return undefined;
  return { pageBytes, root: meta.subarray(16, 32), pages: meta.readBigUInt64LE(40), txid: meta.readBigUInt64LE(48) };
}

/** FNV-1a of 64 bits over a meta page's fields before the checksum. */
export function metaChecksum(meta: Buffer): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of meta.subarray(0, 56)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}

/** @returns what gives out each page once, so that no page is in two places and none is below itself. */
function pageTaker({ bytes, where }: { bytes: Buffer; where: string }, meta: Meta): (id: bigint) => Page {
  const inFile = BigInt(Math.floor(bytes.length / meta.pageBytes));
  const end = inFile < meta.pages ? inFile : meta.pages;
  const taken = new Set<bigint>();
  return (id) => {
    const name = `${where}: page ${id}`;
    // Pages 0 and 1 are the meta pages.
    if (id < 2n || id >= end) throw damaged(name, "is not in the file");
    const start = Number(id) * meta.pageBytes;
    if (bytes.readBigUInt64LE(start) !== id) throw damaged(name, "says that it is another page");
    const behind = id + 1n + BigInt(bytes.readUInt32LE(start + 12));
    if (behind > end) throw damaged(name, "goes on behind the end of the file");
    for (let each = id; each < behind; each++) {
      if (taken.has(each)) throw damaged(name, "is used twice");
      taken.add(each);
    }
    return { bytes: bytes.subarray(start, Number(behind) * meta.pageBytes), inline: false, name };
  };
}

/** Puts a leaf's elements into its bucket. @returns the nodes below this one. */
function readNode(node: Node, take: (id: bigint) => Page): Node[] {
  const elements = elementsOf(node);
  const isLeaf = node.bytes.readUInt16LE(8) === BOLT.leafPage;
  if (isLeaf) return elements.flatMap((element) => readElement(node, element, take));
  if (elements.length === 0) throw damaged(node.name, "is a branch without pages below it");
  return elements.map(({ key, page }, index) => ({
    bucket: node.bucket,
    keys: { from: key, to: elements[index + 1]?.key ?? node.keys.to },
    ...take(page),
  }));
}

/** @returns the node to be read for a bucket, and nothing for a value. */
function readElement(
  { bucket, inline, name }: Node,
  { flags, key, value }: Element,
  take: (id: bigint) => Page,
): Node[] {
  if (flags === 0) {
    bucket.entries.set(key, value);
    return [];
  }
  if (flags !== BOLT.bucketElement) throw damaged(name, `has an element with the unknown flags ${flags}`);
  if (inline) throw damaged(name, "has a bucket in it");
  if (value.length < BOLT.bucketBytes) throw damaged(name, "has a bucket that is cut off");
  const child = newBucket(value.readBigUInt64LE(8));
  bucket.entries.set(key, child);
  const page = value.readBigUInt64LE(0);
  const leaf = { bytes: value.subarray(BOLT.bucketBytes), inline: true, name: `${name}, inline bucket` };
  return [{ bucket: child, keys: ALL_KEYS, ...(page === 0n ? leaf : take(page)) }];
}

function elementsOf(node: Node): Element[] {
  const { bytes, name } = node;
  const count = elementCount(node);
  let free = BOLT.headerBytes + count * BOLT.elementBytes;
  const elements: Element[] = [];
  for (let index = 0; index < count; index++) {
    const place = placeOf(bytes, BOLT.headerBytes + index * BOLT.elementBytes);
    const { start, keyEnd, end } = place;
    // bbolt writes data in the order of elements. If it overlapped, a small file could stand for a database without end.
    if (start < free || keyEnd === start || end > bytes.length) throw damaged(name, `has element ${index} misplaced`);
    free = end;
    elements.push({ ...place, key: bytes.toString("latin1", start, keyEnd), value: bytes.subarray(keyEnd, end) });
  }
  if (!areSorted(elements, node.keys)) throw damaged(name, "has keys out of order");
  return elements;
}

function elementCount({ bytes, inline, name }: Node): number {
  if (bytes.length < BOLT.headerBytes) throw damaged(name, "is cut off");
  const [flags, count] = [bytes.readUInt16LE(8), bytes.readUInt16LE(10)];
  const wanted: readonly number[] = inline ? [BOLT.leafPage] : [BOLT.leafPage, BOLT.branchPage];
  if (!wanted.includes(flags)) throw damaged(name, `has the flags ${flags} in place of ${wanted.join(" or ")}`);
  const room = (bytes.length - BOLT.headerBytes) / BOLT.elementBytes;
  if (count > room) throw damaged(name, `has no room for ${count} elements`);
  return count;
}

/** What the element at `at` says: of a leaf flags, position and sizes; of a branch position, key size and page. */
function placeOf(bytes: Buffer, at: number): Place {
  if (bytes.readUInt16LE(8) === BOLT.leafPage) {
    const start = at + bytes.readUInt32LE(at + 4);
    const keyEnd = start + bytes.readUInt32LE(at + 8);
    return { flags: bytes.readUInt32LE(at), start, keyEnd, end: keyEnd + bytes.readUInt32LE(at + 12), page: 0n };
  }
  const start = at + bytes.readUInt32LE(at);
  const keyEnd = start + bytes.readUInt32LE(at + 4);
  return { flags: 0, start, keyEnd, end: keyEnd, page: bytes.readBigUInt64LE(at + 8) };
}

function areSorted(elements: readonly Element[], { from, to }: KeyRange): boolean {
  const [first, last] = [elements.at(0), elements.at(-1)];
  if (!first || !last) return true;
  if (first.key < from || (to !== undefined && last.key >= to)) return false;
  return elements.every(({ key }, index) => index === 0 || key > (elements[index - 1]?.key ?? ""));
}

function damaged(name: string, what: string): KvciError {
  return new KvciError("database-invalid", `${name} ${what}`, {
    hint: "It is damaged or no bbolt database. Copy it again while no program has it open; `bbolt check` tells more.",
  });
}
