import assert from "node:assert/strict";
import { didYouMean, nearestName } from "../../../src/core/near-name.ts";

describe("nearest name", () => {
  const names = ["quickstart", "k8s-1.31", "k8s-1.32", "steps"];
  const cases: readonly (readonly [string, string | undefined])[] = [
    ["quikstart", "quickstart"],
    ["quickstrat", "quickstart"],
    ["quickstart2", "quickstart"],
    ["k8s-1.33", "k8s-1.31"],
    ["stpes", "steps"],
    ["step", "steps"],
    ["k8s", "k8s-1.31"],
    ["k8", undefined],
    ["centos", undefined],
    ["", undefined],
    ["x".repeat(10_000), undefined],
  ];
  for (const [word, expected] of cases) {
    it(`of "${word.slice(0, 20)}" is ${expected ?? "none"}`, () => {
      assert.equal(nearestName(word, names), expected);
    });
  }

  it("is asked for only when there is one", () => {
    assert.deepEqual([didYouMean("stesp", names), didYouMean("zzz", names)], ['; did you mean "steps"?', ""]);
  });

  it("is not a short name of which every letter is wrong", () => {
    assert.equal(nearestName("ab", ["xy"]), undefined);
  });
});
