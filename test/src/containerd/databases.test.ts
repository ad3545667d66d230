import assert from "node:assert/strict";
import { bucketAt, findBucket, getValue, newBucket, putValue, type BoltBucket } from "../../../src/bolt/bolt-bucket.ts";
import { readBolt } from "../../../src/bolt/read-bolt.ts";
import { writeBolt } from "../../../src/bolt/write-bolt.ts";
import { ContainerdDatabases, UnknownSchema } from "../../../src/containerd/databases.ts";
import { varint } from "../../../src/containerd/encodings.ts";
import type { ContainerdFiles } from "../../../src/core/builder.ts";
import { sha256 } from "../../../src/core/digest.ts";

const NONE: ContainerdFiles = { metadata: Buffer.alloc(0), snapshots: Buffer.alloc(0) };
const AT = Date.UTC(2026, 10, 30);
const [LOWER, UPPER, BLOB] = [sha256("lower"), sha256("upper"), sha256("blob")];

const text = (root: BoltBucket, path: readonly string[], key: string): string | undefined => {
  const bucket = findBucket(root, path);
  const value = bucket && getValue(bucket, key);
  return value && Buffer.from(value).toString("utf8");
};

function filled(): ContainerdFiles {
  const databases = new ContainerdDatabases(NONE, AT);
  assert.equal(databases.addSnapshot(LOWER, undefined), "1");
  assert.equal(databases.addSnapshot(UPPER, LOWER), "2");
  databases.setUsage(UPPER, { bytes: 4096, inodes: 2 });
  databases.addBlob({ digest: BLOB, bytes: 300, labels: { "containerd.io/gc.ref.snapshot.overlayfs": UPPER } });
  const target = { digest: BLOB, mediaType: "application/vnd.oci.image.manifest.v1+json", size: 300 };
  databases.addImage({ name: "registry.example/a:1", target, labels: { kept: "yes" } });
  return databases.files();
}

describe("containerd's databases", () => {
  it("have an image with its target and labels, where kubelet's are", () => {
    const root = readBolt(filled().metadata, "meta.db");
    const image = ["v1", "k8s.io", "images", "registry.example/a:1"];
    assert.equal(text(root, [...image, "target"], "digest"), BLOB);
    assert.equal(text(root, [...image, "labels"], "kept"), "yes");
    assert.equal(text(root, ["v1"], "version"), "\x06");
  });

  it("tie a snapshot to its parent in both of them, by name and by number", () => {
    const { metadata, snapshots } = filled();
    const names = ["v1", "k8s.io", "snapshots", "overlayfs"];
    const root = readBolt(metadata, "meta.db");
    assert.equal(text(root, [...names, UPPER], "parent"), LOWER);
    assert.equal(text(root, [...names, UPPER], "name"), `k8s.io/2/${UPPER}`);
    assert.equal(text(root, [...names, LOWER, "children"], UPPER), "");
    const own = readBolt(snapshots, "metadata.db");
    assert.equal(text(own, ["v1", "snapshots", `k8s.io/2/${UPPER}`], "parent"), `k8s.io/1/${LOWER}`);
    assert.equal(text(own, ["v1", "parents"], "\x01\0\x02"), `k8s.io/2/${UPPER}`);
    assert.equal(text(own, ["v1", "snapshots", `k8s.io/2/${UPPER}`], "kind"), "\x03");
  });

  it("keep what they had, and go on counting where it ended", () => {
    const before = filled();
    const databases = new ContainerdDatabases(before, AT + 1000);
    assert.ok(databases.hasBlob(BLOB) && databases.hasSnapshot(UPPER));
    assert.equal(databases.addSnapshot(sha256("third"), UPPER), "3");
    databases.addBlob({ digest: BLOB, bytes: 300, labels: { more: "yes" } });
    const root = readBolt(databases.files().metadata, "meta.db");
    const blob = ["v1", "k8s.io", "content", "blob", BLOB];
    assert.equal(text(root, [...blob, "labels"], "containerd.io/gc.ref.snapshot.overlayfs"), UPPER);
    assert.equal(text(root, [...blob, "labels"], "more"), "yes");
    const created = (file: Buffer): Uint8Array | undefined =>
      getValue(bucketAt(readBolt(file, "meta.db"), blob), "createdat");
    assert.deepEqual(created(databases.files().metadata), created(before.metadata));
  });

  it("are the same bytes for the same content", () => {
    assert.deepEqual(filled(), filled());
  });

  for (const [what, version] of [
    ["too old", varint(2n)],
    ["too new", varint(5n)],
    ["no number", Buffer.of(0x80)],
  ] as const) {
    it(`are left alone when their version is ${what}`, () => {
      const root = newBucket();
      putValue(bucketAt(root, ["v1"]), "version", version);
      const metadata = writeBolt(root);
      assert.throws(() => new ContainerdDatabases({ ...NONE, metadata }, AT), UnknownSchema);
    });
  }

  it("are left alone when there is content without a version", () => {
    const root = newBucket();
    bucketAt(root, ["v1", "k8s.io"]);
    assert.throws(() => new ContainerdDatabases({ ...NONE, metadata: writeBolt(root) }, AT), UnknownSchema);
  });
});
