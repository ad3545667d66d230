import assert from "node:assert/strict";
import fc from "fast-check";
import { goTime, readUvarint, uvarint, varint } from "../../../src/containerd/encodings.ts";

describe("what Go writes", () => {
  it("of a time is its version, seconds since year 1, nanoseconds and UTC", () => {
    // time.Date(2026, 11, 30, 1, 2, 3, 4e6, time.UTC).MarshalBinary()
    const bytes = goTime(Date.UTC(2026, 10, 30, 1, 2, 3, 4));
    assert.equal(bytes.toString("hex"), "010000000ee29ec20b003d0900ffff");
  });

  it("of a number is seven bits a byte, the lowest first", () => {
    assert.deepEqual(uvarint(0n), Buffer.of(0));
    assert.deepEqual(uvarint(300n), Buffer.of(0xac, 0x02));
    // binary.PutVarint: 3 is 6, so that numbers below zero are short, too.
    assert.deepEqual(varint(3n), Buffer.of(6));
  });

  it("of any number is read back; what is cut off or too long is none", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
        assert.equal(readUvarint(uvarint(value)), value);
        assert.equal(readUvarint(Buffer.concat([uvarint(value), Buffer.of(0)])), undefined);
      }),
    );
    assert.equal(readUvarint(Buffer.of(0x80)), undefined);
    assert.equal(readUvarint(Buffer.alloc(0)), undefined);
  });
});
