import assert from "node:assert/strict";
import { swapAsDeclared } from "../../../verify/checks/swap-as-declared.ts";
import { findingOf } from "../fake-clone.ts";

describe("swap-as-declared check", () => {
  it("passes a node without swap, and one with the swap it declares", async () => {
    assert.equal((await findingOf(swapAsDeclared, [""])).detail, "no swap, and none declared");
    const finding = await findingOf(swapAsDeclared, ["on: /swapfile\ndeclared: /swapfile\n"]);
    assert.deepEqual([finding.ok, finding.detail], [true, "/swapfile, as declared"]);
  });

  for (const [answer, detail] of [
    ["on: /dev/zram0\n", "/dev/zram0 is swapped to, which nothing declares"],
    ["declared: /swapfile\n", "/swapfile is declared as swap but not on"],
  ] as const) {
    it(`fails: ${detail}`, async () => {
      const finding = await findingOf(swapAsDeclared, [answer]);
      assert.deepEqual([finding.ok, finding.detail], [false, `verify-a: ${detail}`]);
    });
  }
});
