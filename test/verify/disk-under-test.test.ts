import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "../../src/core/digest.ts";
import { assertDigest } from "../../verify/disk-under-test.ts";

describe("assertDigest", () => {
  const { signal } = new AbortController();
  let path = "";
  before(async () => {
    path = join(await mkdtemp(join(tmpdir(), "kvci-digest-")), "disk.qcow2");
    await writeFile(path, "disk");
  });
  after(async () => rm(join(path, ".."), { recursive: true }));

  it("accepts the bytes that were built", async () => {
    await assertDigest({ path, digest: sha256("disk") }, signal);
  });

  it("refuses other bytes and shows both digests", async () => {
    const evidence = [`build.json says ${sha256("other")}`, `the file has ${sha256("disk")}`];
    await assert.rejects(assertDigest({ path, digest: sha256("other") }, signal), { code: "build-invalid", evidence });
  });

  it("says when the disk is gone", async () => {
    const gone = { path: `${path}.gone`, digest: sha256("disk") };
    await assert.rejects(assertDigest(gone, signal), { code: "build-not-found", message: /ENOENT/ });
  });

  it("stops at once when told", async () => {
    await assert.rejects(assertDigest({ path, digest: sha256("disk") }, AbortSignal.abort()), { code: "interrupted" });
  });
});
