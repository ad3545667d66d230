import assert from "node:assert/strict";
import { formatBytes, formatDuration, formatElapsed, formatProgress, formatRate } from "../../../src/journal/format.ts";

describe("formatted duration", () => {
  for (const [ms, text] of [
    [-5, "0.0 s"],
    [0, "0.0 s"],
    [1_240, "1.2 s"],
    [59_940, "59.9 s"],
    [59_960, "1 m 00 s"],
    [60_000, "1 m 00 s"],
    [123_400, "2 m 03 s"],
    [3_599_400, "59 m 59 s"],
    [3_599_999, "1 h 00 m"],
    [3_720_000, "1 h 02 m"],
  ] as const) {
    it(`of ${String(ms)} ms is ${text}`, () => {
      assert.equal(formatDuration(ms), text);
    });
  }
});

describe("formatted elapsed time", () => {
  it("counts whole seconds", () => {
    assert.deepEqual([900, 12_999, 60_000].map(formatElapsed), ["0 s", "12 s", "1 m 00 s"]);
  });
});

describe("formatted size", () => {
  for (const [bytes, text] of [
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1 KiB"],
    [1536, "1.50 KiB"],
    [10_240 + 512, "10.5 KiB"],
    [312 * 1024 ** 2, "312 MiB"],
    [1024 ** 2 - 1, "1.00 MiB"],
    [1.7 * 1024 ** 3, "1.70 GiB"],
    [5000 * 1024 ** 4, "5000 TiB"],
  ] as const) {
    it(`of ${String(bytes)} bytes is ${text}`, () => {
      assert.equal(formatBytes(bytes), text);
    });
  }
  it("has a rate and a share of a whole", () => {
    assert.equal(formatRate(12.34 * 1024 ** 2), "12.3 MiB/s");
    assert.equal(formatProgress(210 * 1024 ** 2, 340 * 1024 ** 2), "210 / 340 MiB");
    assert.equal(formatProgress(12, 500), "12 / 500 B");
  });
});
