import assert from "node:assert/strict";
import { clockSane } from "../../../verify/checks/clock-sane.ts";
import { findingOf, NOW } from "../fake-clone.ts";

const at = (seconds: number): string => `${String(NOW / 1000 + seconds)}\n`;

describe("clock-sane check", () => {
  it("passes clocks within a minute", async () => {
    assert.equal((await findingOf(clockSane, [at(-60), at(60)])).ok, true);
  });

  for (const [answer, detail] of [
    [at(-61), "the clock is 61 s behind"],
    [at(7_200), "the clock is 7200 s ahead"],
    ["\n", '"" is not a time'],
    ["soon\n", '"soon" is not a time'],
  ] as const) {
    it(`fails: ${detail}`, async () => {
      const finding = await findingOf(clockSane, [answer]);
      assert.equal(finding.ok, false);
      assert.equal(finding.detail, `verify-a: ${detail}`);
    });
  }
});
