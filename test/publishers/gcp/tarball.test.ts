import assert from "node:assert/strict";
import { sha256 } from "../../../src/core/digest.ts";
import type { KvciError } from "../../../src/core/error.ts";
import { dataExtents } from "../../../publishers/gcp/data-extents.ts";
import { paddedBytes, tarball } from "../../../publishers/gcp/tarball.ts";
import { collected, pieces } from "./pieces.ts";

const UNIT = 64 * 1024;

describe("tarball", () => {
  const disk = Buffer.alloc(20 * UNIT + 512);
  disk.fill("a", UNIT, 3 * UNIT);
  disk.fill("z", 20 * UNIT);
  const source = async (data: Buffer) => ({
    read: () => pieces(data, [100_000]),
    virtualBytes: data.length,
    extents: await dataExtents(pieces(disk)),
    content: sha256(disk),
  });

  it("is the same whatever makes it", async () => {
    const one = await collected(tarball({ ...(await source(disk)), workers: 1 }));
    const other = await collected(tarball({ ...(await source(disk)), read: () => pieces(disk, [7]), workers: 3 }));
    assert.ok(one.equals(other));
  });

  it("refuses a disk that changed where it had data", async () => {
    const changed = Buffer.from(disk);
    changed[UNIT] = 1;
    await assert.rejects(collected(tarball(await source(changed))), { code: "publish-integrity" });
  });

  it("refuses a disk that changed where it had none", async () => {
    const changed = Buffer.from(disk);
    changed[10 * UNIT] = 1;
    await assert.rejects(collected(tarball(await source(changed))), (error: KvciError) => {
      assert.equal(error.code, "publish-integrity");
      assert.match(error.evidence.join(), /^data near byte/);
      return true;
    });
  });

  it("refuses a disk that became shorter", async () => {
    await assert.rejects(collected(tarball(await source(disk.subarray(0, 20 * UNIT)))), { code: "publish-integrity" });
  });

  it("has whole GiB", () => {
    assert.deepEqual([1, 2 ** 30, 2 ** 30 + 1].map(paddedBytes), [2 ** 30, 2 ** 30, 2 ** 31]);
  });
});
