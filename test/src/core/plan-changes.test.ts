import assert from "node:assert/strict";
import { keyChange, planChanges } from "../../../src/core/plan-changes.ts";
import { plannedOf } from "../cli/planned.ts";

describe("what makes two plans different", () => {
  const { plan: former } = plannedOf("t", ["a", "b", "c"]);
  const plan = (steps: readonly string[], disk?: string) =>
    plannedOf("t", steps, disk === undefined ? {} : { disk }).plan;

  it("is nothing for the same disk", () => {
    assert.deepEqual(planChanges(plan(["a", "b", "c"]), former), []);
  });

  it("is a step that is new, and not those after it, which are what they were", () => {
    assert.deepEqual(planChanges(plan(["a", "x", "b", "c"]), former), ["x: the step is new"]);
  });

  it("is a step that is gone, also the last one", () => {
    assert.deepEqual(planChanges(plan(["a", "c"]), former), ["step b was removed"]);
    assert.deepEqual(planChanges(plan(["a", "b"]), former), ["step c was removed"]);
  });

  it("is the base, also where there are no steps", () => {
    assert.match(planChanges(plan(["a", "b", "c"], "other"), former).join(), /^a: the base changed: \w{12} → \w{12}$/);
    assert.match(planChanges(plan([], "other"), plan([])).join(), /^the base changed: \w{12} → \w{12}$/);
  });

  describe("as far as keys can tell", () => {
    const keys = { base: former.disk.base, steps: former.disk.steps };
    it("is the first step whose key is another, the base, or what is gone", () => {
      assert.equal(keyChange(plan(["a", "x"]), keys), "x: the step is new");
      assert.equal(keyChange(plan(["b", "a", "c"]), keys), "b: it, or the order of steps, changed");
      assert.equal(keyChange(plan(["a"]), keys), "removed: b, c");
      assert.match(keyChange(plan(["a"], "other"), keys), /^the base changed: /);
    });
  });
});
