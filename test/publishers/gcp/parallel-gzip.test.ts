import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { cutInto, parallelGzip, Ring } from "../../../publishers/gcp/parallel-gzip.ts";
import { collected, pieces } from "./pieces.ts";

const data = Buffer.concat([randomBytes(1_500_000), Buffer.alloc(3_000_000, "text "), randomBytes(77)]);

describe("parallel gzip", () => {
  it("makes what gunzip reads", async () => {
    assert.ok(gunzipSync(await collected(parallelGzip(pieces(data, [65_536])))).equals(data));
    assert.equal(gunzipSync(await collected(parallelGzip(pieces(Buffer.alloc(0))))).length, 0);
  });

  it("makes the same bytes with any number of workers and any pieces", async () => {
    const one = await collected(parallelGzip(pieces(data), { workers: 1 }));
    for (const workers of [2, 4, 9]) {
      assert.ok(one.equals(await collected(parallelGzip(pieces(data, [1, 999_999, 70_000]), { workers }))));
    }
  });

  it("passes on what its source fails with", async () => {
    const broken = async function* (): AsyncGenerator<Uint8Array> {
      yield data;
      throw new RangeError("no more");
    };
    await assert.rejects(collected(parallelGzip(broken())), /no more/);
  });
});

describe("cutting", () => {
  it("gives whole blocks and a last one that is never empty", async () => {
    for (const length of [0, 1, 9, 10, 11, 20, 35]) {
      const lengths: number[] = [];
      for await (const block of cutInto(pieces(data.subarray(0, length), [4]), new Ring(10, 2))) {
        lengths.push(block.length);
      }
      assert.deepEqual(lengths, [
        ...Array.from({ length: Math.ceil(length / 10) }, (_, index) => Math.min(10, length - 10 * index)),
      ]);
    }
  });
});
