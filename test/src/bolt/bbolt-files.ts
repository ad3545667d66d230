import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { bucketAt, newBucket, putValue, type BoltBucket } from "../../../src/bolt/bolt-bucket.ts";

/**
 * A file that bbolt 1.3.7 wrote in two transactions, with `bboltTree` in it: "bbolt-4k" opened as containerd does it (NoFreelistSync),
 * "bbolt-1k" with a free list and pages of 1 KiB. There are inline buckets, branches, overflow and pages that are free again.
 */
export function bboltFile(name: "bbolt-4k" | "bbolt-1k"): Buffer {
  return gunzipSync(readFileSync(join(import.meta.dirname, `${name}.db.gz`)));
}

/** @param transactions after how many: the second one deletes every third blob and sets the sequence of "labels". */
export function bboltTree(transactions: 1 | 2): BoltBucket {
  const root = newBucket();
  putValue(bucketAt(root, ["v1"]), "version", Buffer.of(8));
  bucketAt(root, ["v1", "k8s.io"]).sequence = 2n ** 40n;
  bucketAt(root, ["v1", "k8s.io", "empty"]);
  const labels = bucketAt(root, ["v1", "k8s.io", "labels"]);
  putValue(labels, "größe", "");
  if (transactions === 2) labels.sequence = 7n;
  for (let blob = 0; blob < 300; blob++) {
    if (transactions === 2 && blob % 3 === 0) continue;
    const size = Buffer.alloc(8);
    size.writeBigUInt64BE(BigInt(blob));
    putValue(bucketAt(root, ["v1", "k8s.io", "blobs", `sha256:${String(blob).padStart(4, "0")}`]), "size", size);
  }
  const long = bucketAt(root, ["long".repeat(500)]);
  putValue(long, "two pages", "0123456789".repeat(900));
  long.entries.set("\xff\0\x80", Buffer.of(0, 1, 2));
  return root;
}
