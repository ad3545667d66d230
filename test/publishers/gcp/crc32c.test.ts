import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { CRC32C } from "@google-cloud/storage";
import { Crc32c } from "../../../publishers/gcp/crc32c.ts";

describe("CRC-32C", () => {
  it("has the value of the standard's example", () => {
    // RFC 3720, B.4: 32 bytes of zeros; and the usual check value.
    assert.equal(new Crc32c().update(Buffer.alloc(32)).base64(), Buffer.from("8a9136aa", "hex").toString("base64"));
    assert.equal(
      new Crc32c().update(Buffer.from("123456789")).base64(),
      Buffer.from("e3069283", "hex").toString("base64"),
    );
  });

  it("agrees with Google's own, however the bytes are cut", () => {
    const data = randomBytes(100_003);
    const theirs = new CRC32C();
    theirs.update(data);
    const ours = new Crc32c();
    for (let from = 0, step = 1; from < data.length; from += step, step = (step * 7) % 4099) {
      ours.update(data.subarray(from, from + step));
    }
    assert.equal(ours.base64(), theirs.toString());
  });
});
