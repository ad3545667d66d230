import assert from "node:assert/strict";
import { dataExtents, EXTENT_UNIT_BYTES, isZero } from "../../../publishers/gcp/data-extents.ts";
import { pieces } from "./pieces.ts";

const UNIT = EXTENT_UNIT_BYTES;

describe("data extents", () => {
  const disk = Buffer.alloc(10 * UNIT + 512);
  disk[UNIT] = 1;
  disk[3 * UNIT - 1] = 1;
  disk[7 * UNIT + 5] = 1;
  disk[10 * UNIT + 511] = 1;
  const expected = [
    { offset: UNIT, bytes: 2 * UNIT },
    { offset: 7 * UNIT, bytes: UNIT },
    { offset: 10 * UNIT, bytes: UNIT },
  ];

  for (const sizes of [[disk.length], [1000, 70_000, 3], [UNIT], [UNIT - 1]]) {
    it(`are the same for pieces of ${sizes.join(", ")} bytes`, async () => {
      assert.deepEqual(await dataExtents(pieces(disk, sizes)), expected);
    });
  }

  it("are none for nothing but zeros", async () => {
    assert.deepEqual(await dataExtents(pieces(Buffer.alloc(3 * UNIT))), []);
  });
});

describe("zeros", () => {
  it("are found in any number of bytes", () => {
    for (const length of [0, 1, UNIT - 1, UNIT, UNIT + 1, 3 * UNIT + 7]) {
      assert.ok(isZero(Buffer.alloc(length)));
      if (length === 0) continue;
      const last = Buffer.alloc(length);
      last[length - 1] = 1;
      assert.ok(!isZero(last));
    }
  });
});
