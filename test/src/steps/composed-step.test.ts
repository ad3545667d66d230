import assert from "node:assert/strict";
import { run } from "../../../src/core/op-makers.ts";
import type { PackageLock } from "../../../src/core/lock.ts";
import type { Step } from "../../../src/core/step.ts";
import { composed, onlyOn } from "../../../src/steps/composed-step.ts";
import { debian, fedora } from "./golden.ts";

const lock: PackageLock = () => undefined;
const part = (name: string): Step => ({
  name,
  ops: ({ family }, given) => [run(name, family, String(given === lock))],
  needs: () => [{ kind: "packages", set: name, names: [name], recommends: false }],
});

describe("composed step", () => {
  it("has the ops and needs of its parts, in order, and passes the lock on", () => {
    const step = composed("both", [part("a"), { name: "plain", ops: () => [run("true")] }, part("b")]);
    assert.equal(step.name, "both");
    assert.deepEqual(step.ops(debian, lock), [run("a", "apt", "true"), run("true"), run("b", "apt", "true")]);
    assert.deepEqual(
      step.needs?.(debian).map((need) => need.kind === "packages" && need.set),
      ["a", "b"],
    );
  });

  it("leaves out the part that is for others, with what it needs", () => {
    const step = onlyOn(({ family }) => family === "dnf", part("a"));
    assert.deepEqual([step.ops(debian), step.needs?.(debian)], [[], []]);
    assert.deepEqual(step.ops(fedora, lock), [run("a", "dnf", "true")]);
    assert.equal(step.needs?.(fedora).length, 1);
  });
});
