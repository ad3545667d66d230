import assert from "node:assert/strict";
import {
  boltKey,
  bucketAt,
  findBucket,
  getValue,
  keyText,
  newBucket,
  putValue,
  sortedEntries,
} from "../../../src/bolt/bolt-bucket.ts";

describe("bolt bucket", () => {
  it("is found and made by a path of UTF-8 keys", () => {
    const root = newBucket();
    const made = bucketAt(root, ["v1", "größe"]);
    assert.equal(bucketAt(root, ["v1", "größe"]), made);
    assert.equal(findBucket(root, ["v1", "größe"]), made);
    assert.equal(findBucket(root, ["v2", "größe"]), undefined);
    assert.deepEqual([...bucketAt(root, ["v1"]).entries.keys()].map(keyText), ["größe"]);
  });

  it("has values by UTF-8 keys, given as bytes or text", () => {
    const bucket = newBucket();
    putValue(bucket, "ä", "ö");
    putValue(bucket, "bytes", Buffer.of(0xff));
    bucketAt(bucket, ["bucket"]);
    assert.equal(getValue(bucket, "ä")?.toString(), "ö");
    assert.deepEqual(bucket.entries.get(boltKey("bytes")), Buffer.of(0xff));
    assert.deepEqual([getValue(bucket, "bucket"), getValue(bucket, "none")], [undefined, undefined]);
  });

  it("keeps values and buckets apart", () => {
    const root = newBucket();
    bucketAt(root, ["bucket"]);
    putValue(root, "value", "");
    assert.equal(findBucket(root, ["value"]), undefined);
    assert.throws(() => bucketAt(root, ["value"]), { code: "database-invalid", message: /"value" .* is a value/ });
    assert.throws(() => putValue(root, "bucket", ""), { code: "database-invalid", message: /"bucket" .* is a bucket/ });
  });

  it("sorts its entries by the bytes of their keys", () => {
    const bucket = newBucket();
    for (const key of ["\xff", "a", "\0", "aa", "Z"]) bucket.entries.set(key, Buffer.of());
    assert.deepEqual(
      sortedEntries(bucket).map(([key]) => key),
      ["\0", "Z", "a", "aa", "\xff"],
    );
  });
});
