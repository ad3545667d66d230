import assert from "node:assert/strict";
import fc from "fast-check";
import {
  bucketAt,
  findBucket,
  getValue,
  isBucket,
  newBucket,
  putValue,
  sortedEntries,
  type BoltBucket,
  type BoltEntry,
} from "../../../src/bolt/bolt-bucket.ts";
import { metaChecksum, readBolt } from "../../../src/bolt/read-bolt.ts";
import { writeBolt } from "../../../src/bolt/write-bolt.ts";
import { KvciError } from "../../../src/core/error.ts";
import { bboltFile, bboltTree } from "./bbolt-files.ts";

const PAGE = 4096;
const [META, FREELIST, BRANCH, LEAF] = [0x04, 0x10, 0x01, 0x02];

/** What a tree is made of, whichever kind of bytes its values are. */
function plain(bucket: BoltBucket): unknown {
  const shown = (entry: BoltEntry): unknown => (isBucket(entry) ? plain(entry) : Buffer.from(entry).toString("latin1"));
  return [bucket.sequence, sortedEntries(bucket).map(([key, entry]) => [key, shown(entry)])];
}

function assertSame(actual: BoltBucket, expected: BoltBucket): void {
  assert.deepEqual(plain(actual), plain(expected));
}

function flags(file: Buffer, page: number): number {
  return file.readUInt16LE(page * PAGE + 8);
}

/** The file, changed in place. */
function set(file: Buffer, at: number, ...bytes: readonly number[]): Buffer {
  assert.ok(at >= 0 && at + bytes.length <= file.length);
  file.set(bytes, at);
  return file;
}

/** Changes both meta pages, and their checksums with them. */
function setMetas(file: Buffer, at: number, ...bytes: readonly number[]): Buffer {
  for (const page of [0, 1]) {
    const meta = file.subarray(page * PAGE + 16, page * PAGE + 80);
    set(meta, at, ...bytes).writeBigUInt64LE(metaChecksum(meta), 56);
  }
  return file;
}

function manyKeys(count: number): BoltBucket {
  const root = newBucket();
  const bucket = bucketAt(root, ["many"]);
  for (let key = 0; key < count; key++) {
    putValue(bucket, `${"key".repeat(20)}-${String((key * 7919) % count)}`, "value");
  }
  return root;
}

describe("bolt reader", () => {
  for (const name of ["bbolt-4k", "bbolt-1k"] as const) {
    it(`reads what bbolt wrote: ${name}`, () => assertSame(readBolt(bboltFile(name), name), bboltTree(2)));
  }

  it("takes a file of no bytes for an empty database", () => assertSame(readBolt(Buffer.of(), "meta.db"), newBucket()));

  it("takes the transaction before when the newest meta page is damaged", () => {
    const file = bboltFile("bbolt-4k");
    const newest = file.readBigUInt64LE(64) > file.readBigUInt64LE(PAGE + 64) ? 0 : 1;
    file.writeUInt8(file.readUInt8(newest * PAGE + 72) ^ 1, newest * PAGE + 72);
    assertSame(readBolt(file, "meta.db"), bboltTree(1));
  });

  it("finds the second meta page when the first one does not tell the size of pages", () => {
    for (const name of ["bbolt-4k", "bbolt-1k"] as const) {
      const file = bboltFile(name);
      file.fill(0, 0, 1024);
      assert.ok(findBucket(readBolt(file, name), ["v1", "k8s.io", "blobs"]), name);
    }
  });

  // Page 3 and 4: leaves with k0 and k99. Page 5: the branch above. Page 6: the root, with a value and two buckets.
  const BRANCH_AT = 5 * PAGE;
  const ROOT_AT = 6 * PAGE;
  // The inline bucket's leaf, behind the root's 3 elements, "a value", "in inline" and the bucket's page and sequence.
  const INLINE_AT = ROOT_AT + 16 + 3 * 16 + 7 + 9 + 16;
  const damages: readonly (readonly [what: string, damage: (file: Buffer) => Buffer, message: RegExp])[] = [
    ["no database", () => Buffer.from("SQLite format 3\0".repeat(600)), /^meta\.db has no valid meta page$/],
    ["a cut in the first page", (file) => file.subarray(0, 70), /no valid meta page/],
    ["a cut after the meta pages", (file) => file.subarray(0, 2 * PAGE), /^meta\.db: page 6 is not in the file$/],
    ["two wrong checksums", (file) => set(set(file, 72, 0), PAGE + 72, 0), /no valid meta page/],
    ["another version", (file) => setMetas(file, 4, 3), /no valid meta page/],
    ["pages of no size", (file) => setMetas(file, 8, 0, 0), /no valid meta page/],
    ["a root behind the end", (file) => setMetas(file, 16, 99), /page 99 is not in the file/],
    ["a root that is a meta page", (file) => setMetas(file, 16, 1), /page 1 is not in the file/],
    ["a root that is the free list", (file) => setMetas(file, 16, 2), /page 2 has the flags 16 in place of 2 or 1/],
    ["a root at the high-water mark", (file) => setMetas(file, 40, 6), /page 6 is not in the file/],
    ["a page with another's number", (file) => set(file, ROOT_AT, 3), /page 6 says that it is another page/],
    ["overflow past the end", (file) => set(file, ROOT_AT + 12, 1), /page 6 goes on behind the end/],
    [
      "a page of two kinds",
      (file) => set(file, ROOT_AT + 8, LEAF | BRANCH),
      /page 6 has the flags 3 in place of 2 or 1/,
    ],
    ["too many elements", (file) => set(file, ROOT_AT + 11, 9), /page 6 has no room for 2307 elements/],
    ["an element of an unknown kind", (file) => set(file, ROOT_AT + 16, 2), /page 6 has an .* unknown flags 2/],
    ["an element in the header", (file) => set(file, ROOT_AT + 20, 0), /page 6 has element 0 misplaced/],
    ["elements that overlap", (file) => set(file, ROOT_AT + 36, 20), /page 6 has element 1 misplaced/],
    ["a key of no bytes", (file) => set(file, ROOT_AT + 24, 0), /page 6 has element 0 misplaced/],
    ["a value past the end", (file) => set(file, ROOT_AT + 30, 1), /page 6 has element 0 misplaced/],
    ["a bucket that is cut off", (file) => set(file, ROOT_AT + 44, 15), /page 6 has a bucket that is cut off/],
    ["an inline bucket that is cut off", (file) => set(file, ROOT_AT + 44, 20), /page 6, inline bucket is cut off/],
    [
      "an inline branch",
      (file) => set(file, INLINE_AT + 8, BRANCH),
      /page 6, inline bucket has the flags 1 in place of 2$/,
    ],
    ["a bucket in an inline one", (file) => set(file, INLINE_AT + 16, 1), /page 6, inline bucket has a bucket in it/],
    ["keys in disorder", (file) => set(file, file.indexOf("a value"), 0x7a), /page 6 has keys out of order/],
    ["a key before those of its branch", (file) => set(file, file.indexOf("k99"), 0), /page 4 has keys out of order/],
    ["a key after those of its branch", (file) => set(file, file.indexOf("k0"), 0x7a), /page 3 has keys out of order/],
    ["a branch with nothing below it", (file) => set(file, BRANCH_AT + 10, 0), /page 5 is a branch without pages/],
    ["a branch below itself", (file) => set(file, BRANCH_AT + 24, 5), /page 5 is used twice/],
    ["a bucket in itself", (file) => set(file, file.indexOf("in pages") + 8, 6), /page 6 is used twice/],
  ];
  for (const [what, damage, message] of damages) {
    it(`refuses ${what}`, () => {
      const root = newBucket();
      putValue(root, "a value", "");
      putValue(bucketAt(root, ["in inline"]), "key", "value");
      for (const key of ["k0", "k99"]) putValue(bucketAt(root, ["in pages"]), key, "v".repeat(2500));
      assert.throws(() => readBolt(damage(writeBolt(root)), "meta.db"), { code: "database-invalid", message });
    });
  }

  it("reads or refuses, whatever the bytes are", () => {
    const whole = bboltFile("bbolt-1k");
    const place = fc.oneof(fc.nat({ max: whole.length - 1 }), fc.nat({ max: 2047 }));
    fc.assert(
      fc.property(fc.array(fc.tuple(place, fc.nat({ max: 255 })), { minLength: 1, maxLength: 20 }), (changes) => {
        const file = Buffer.from(whole);
        for (const [at, byte] of changes) file[at] = byte;
        try {
          readBolt(file, "meta.db");
        } catch (error) {
          assert.ok(error instanceof KvciError, String(error));
        }
      }),
    );
  });
});

describe("bolt writer", () => {
  const bytes = fc.uint8Array({ maxLength: 20 }).map((each) => Buffer.from(each));
  const key = fc.oneof(
    { weight: 20, arbitrary: bytes.map((each) => `k${each.toString("latin1")}`) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 32_768 }).map((length) => "\xff".repeat(length)) },
  );
  const value = fc.oneof(
    { weight: 5, arbitrary: bytes },
    { weight: 1, arbitrary: fc.nat({ max: 10_000 }).map((length) => Buffer.alloc(length, "v")) },
  );
  const { bucket: nested } = fc.letrec<{ bucket: BoltBucket; entry: BoltEntry }>((tie) => ({
    entry: fc.oneof({ depthSize: "small" }, value, tie("bucket")),
    bucket: fc.record({
      sequence: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      entries: fc.array(fc.tuple(key, tie("entry")), { maxLength: 8 }).map((entries) => new Map(entries)),
    }),
  }));
  // Long keys and values of any length, so that pages are split in all ways.
  const wide = fc.array(fc.tuple(fc.nat({ max: 2500 }), fc.nat({ max: 2500 })), { size: "large" }).map((lengths) => {
    const root = newBucket();
    for (const [index, [keyBytes, valueBytes]] of lengths.entries()) {
      putValue(root, `${String(index)}-${"k".repeat(keyBytes)}`, Buffer.alloc(valueBytes, "v"));
    }
    return root;
  });

  for (const [kind, trees] of Object.entries({ nested, wide })) {
    it(`writes what the reader reads back, whatever the tree is: ${kind}`, () => {
      fc.assert(
        fc.property(trees, (tree) => assertSame(readBolt(writeBolt(tree), "it"), tree)),
        { numRuns: 40 },
      );
    });
  }

  it("writes the same bytes for the same tree, however it was made", () => {
    const backwards = ({ sequence, entries }: BoltBucket): BoltBucket => ({
      sequence,
      entries: new Map([...entries].reverse().map(([at, each]) => [at, isBucket(each) ? backwards(each) : each])),
    });
    assert.deepEqual(writeBolt(backwards(bboltTree(2))), writeBolt(bboltTree(2)));
  });

  it("writes an empty database of two meta pages, a free list and a leaf, as bbolt does", () => {
    const file = writeBolt(newBucket());
    assert.deepEqual(
      [0, 1, 2, 3].map((page) => flags(file, page)),
      [META, META, FREELIST, LEAF],
    );
    assert.deepEqual(
      [0, 1].map((page) => file.readBigUInt64LE(page * PAGE + 64)),
      [0n, 1n],
    );
    assert.equal(file.length, 4 * PAGE);
  });

  it("ends at the high-water mark", () => {
    for (const tree of [newBucket(), bboltTree(2), manyKeys(3000)]) {
      const file = writeBolt(tree);
      assert.equal(file.readBigUInt64LE(56) * BigInt(PAGE), BigInt(file.length));
    }
  });

  it("keeps a bucket of a quarter of a page in the leaf above, and no larger one", () => {
    const [header, element, keyBytes] = [16, 16, 1];
    for (const [more, pages] of [
      [0, 4],
      [1, 5],
    ] as const) {
      const root = newBucket();
      putValue(bucketAt(root, ["bucket"]), "k", Buffer.alloc(PAGE / 4 - header - element - keyBytes + more));
      assert.equal(writeBolt(root).length, pages * PAGE);
    }
  });

  it("gives a bucket with buckets pages of its own", () => {
    const root = newBucket();
    bucketAt(root, ["outer", "inner"]);
    assert.equal(writeBolt(root).length, 5 * PAGE);
  });

  it("writes levels of branches above thousands of keys, with two pages below each at least", () => {
    const file = writeBolt(manyKeys(20_000));
    const branches = Array.from({ length: file.length / PAGE }, (_, page) => page).filter(
      (page) => flags(file, page) === BRANCH,
    );
    const below = branches.map((page) => file.readUInt16LE(page * PAGE + 10));
    assert.ok(branches.length > 2 && Math.min(...below) >= 2, String(below));
    assertSame(readBolt(file, "it"), manyKeys(20_000));
  });

  it("lets branches of long keys go on over several pages, with two pages below each", () => {
    const root = newBucket();
    for (let each = 10; each < 17; each++) putValue(bucketAt(root, ["long"]), String(each).repeat(16_000), "");
    const file = writeBolt(root);
    assertSame(readBolt(file, "it"), root);
  });

  it("nests as deep as one likes", () => {
    const root = newBucket();
    putValue(bucketAt(root, Array.from({ length: 5000 }, String)), "key", "value");
    const read = readBolt(writeBolt(root), "it");
    assert.equal(getValue(bucketAt(read, Array.from({ length: 5000 }, String)), "key")?.toString(), "value");
  });

  it("refuses what bbolt cannot hold", () => {
    const holding = (at: string, entry: BoltEntry): BoltBucket => ({ sequence: 0n, entries: new Map([[at, entry]]) });
    const twice = newBucket();
    const [one, self] = [holding("a", twice), newBucket()];
    one.entries.set("b", twice);
    self.entries.set("self", self);
    for (const [tree, message] of [
      [holding("", Buffer.of()), /a key of 0 bytes/],
      [holding("k".repeat(32_769), Buffer.of()), /a key of 32769 bytes/],
      [holding("\u0101", Buffer.of()), /the key "\u0101", which is not bytes/],
      [newBucket(-1n), /the sequence -1/],
      [newBucket(2n ** 64n), /the sequence 18446744073709551616/],
      [one, /in two places/],
      [self, /in two places/],
    ] as const) {
      assert.throws(() => writeBolt(tree), { code: "internal", message });
    }
  });
});
