import assert from "node:assert/strict";
import { formatAge } from "../../../src/core/age.ts";

const HOUR_MS = 3_600_000;

describe("age", () => {
  for (const [ms, text] of [
    [0, "0m"],
    [-5, "0m"],
    [59_999, "0m"],
    [90 * 60_000, "1h 30m"],
    [24 * HOUR_MS, "1d"],
    [7 * 24 * HOUR_MS, "7d"],
    [7 * 24 * HOUR_MS + 5 * HOUR_MS + 60_000, "7d 5h"],
  ] as const) {
    it(`of ${String(ms)} ms is ${text}`, () => assert.equal(formatAge(ms), text));
  }
});
