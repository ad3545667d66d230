import assert from "node:assert/strict";
import fc from "fast-check";
import {
  addRange,
  areRanges,
  missingRanges,
  rangesBytes,
  splitRanges,
  type ByteRange,
} from "../../../src/base/byte-ranges.ts";

const TOTAL = 60;
const range = fc
  .tuple(fc.nat(TOTAL), fc.nat(TOTAL))
  .map(([a, b]): ByteRange => ({ start: Math.min(a, b), end: Math.max(a, b) }));

function bytesOf(ranges: readonly ByteRange[]): Set<number> {
  return new Set(ranges.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, index) => start + index)));
}

describe("byte ranges", () => {
  it("hold exactly the bytes that were added, sorted and apart", () => {
    fc.assert(
      fc.property(fc.array(range), (added) => {
        const ranges = added.reduce<readonly ByteRange[]>(addRange, []);
        assert.deepEqual(bytesOf(ranges), bytesOf([...ranges]));
        assert.deepEqual([...bytesOf(ranges)].sort(), [...bytesOf(added)].sort());
        assert.ok(areRanges(ranges, TOTAL));
        assert.equal(rangesBytes(ranges), bytesOf(added).size);
      }),
    );
  });

  it("and what is missing make up the whole", () => {
    fc.assert(
      fc.property(fc.array(range), fc.integer({ min: 1, max: 20 }), (added, chunkBytes) => {
        const ranges = added.reduce<readonly ByteRange[]>(addRange, []);
        const pieces = splitRanges(missingRanges(ranges, TOTAL), chunkBytes);
        assert.ok(pieces.every(({ start, end }) => end - start <= chunkBytes && end > start));
        assert.equal(rangesBytes(pieces) + rangesBytes(ranges), TOTAL);
        assert.deepEqual(pieces.reduce<readonly ByteRange[]>(addRange, ranges), [{ start: 0, end: TOTAL }]);
      }),
    );
  });

  it("of a state file are refused when they overlap, touch, run backwards or past the end", () => {
    assert.ok(
      areRanges(
        [
          { start: 0, end: 5 },
          { start: 6, end: 10 },
        ],
        10,
      ),
    );
    assert.ok(
      !areRanges(
        [
          { start: 0, end: 5 },
          { start: 5, end: 10 },
        ],
        10,
      ),
    );
    assert.ok(
      !areRanges(
        [
          { start: 6, end: 10 },
          { start: 0, end: 5 },
        ],
        10,
      ),
    );
    assert.ok(!areRanges([{ start: 0, end: 11 }], 10));
    assert.ok(!areRanges([{ start: -1, end: 3 }], 10));
    assert.ok(!areRanges([{ start: 3, end: 3 }], 10));
  });
});
