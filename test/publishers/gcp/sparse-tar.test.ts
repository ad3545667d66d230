import assert from "node:assert/strict";
import { sparseHeader, sparseTrailer } from "../../../publishers/gcp/sparse-tar.ts";

const UNIT = 64 * 1024;
const GIB = 2 ** 30;

describe("sparse tar", () => {
  it("lists four extents in its header and 21 in each block that follows", () => {
    const extents = Array.from({ length: 30 }, (_, index) => ({ offset: 2 * index * UNIT, bytes: UNIT }));
    const header = sparseHeader("disk.raw", extents, GIB);
    // 30 extents and the end of the file: 4 in the header, 21 and 6 behind it.
    assert.equal(header.length, 3 * 512);
    assert.equal(header[482], 1);
    assert.equal(header[512 + 504], 1);
    assert.equal(header[1024 + 504], 0);
    assert.equal(header.toString("latin1", 386, 397), "00000000000");
    assert.equal(header.toString("latin1", 386 + 24, 386 + 35), (2 * UNIT).toString(8).padStart(11, "0"));
  });

  it("writes numbers from 8 GiB on as GNU tar does", () => {
    const header = sparseHeader("disk.raw", [{ offset: 9 * GIB, bytes: UNIT }], 20 * GIB);
    assert.equal(header[386], 0x80);
    assert.equal(header.readBigUInt64BE(390), BigInt(9 * GIB));
    assert.equal(header[483], 0x80);
    assert.equal(header.readBigUInt64BE(487), BigInt(20 * GIB));
  });

  it("ends with a whole record", () => {
    for (const stored of [0, 512, UNIT, 10 * UNIT]) {
      const trailer = sparseTrailer(512, stored);
      assert.equal((512 + stored + trailer.length) % 10_240, 0);
      assert.ok(trailer.length >= 1024);
    }
  });
});
