import assert from "node:assert/strict";
import { run } from "../../../src/core/op-makers.ts";
import { estimateBuild, estimateMs, type Durations } from "../../../src/core/plan-estimate.ts";
import { planDiff } from "../../../src/core/plan-diff.ts";
import { freshBoot } from "../../../src/core/step-settings.ts";
import { plan, stepsOf } from "./arbitraries.ts";

const DURATIONS: Durations = {
  "step step-0": [5],
  "step step-1": [9, 1, 2],
  "phase boot": [100],
  "phase restore": [10],
  "phase seal": [1_000],
  "phase convert": [2_000],
  "phase wrap": [3_000],
  "phase verify boot on qemu": [4_000],
};

function partsOf(steps: ReturnType<typeof stepsOf>, { cached = 0, warm = false } = {}): [string, number | undefined][] {
  const made = plan({ steps });
  const statuses = planDiff(made, { layers: cached + 1, end: { kind: "absent" }, now: 0 }, undefined);
  const { parts, totalMs } = estimateBuild({ plan: made, steps: statuses, durations: DURATIONS, warm });
  assert.equal(
    totalMs,
    parts.reduce((sum, { ms = 0 }) => sum + ms, 0),
  );
  return parts.map(({ name, ms }) => [name, ms]);
}

const END = [
  ["seal", 1_000],
  ["convert", 2_000],
  ["wrap", 3_000],
  ["verify boot", 4_000],
];

describe("estimate of a span", () => {
  it("is the middle of its last times", () => assert.equal(estimateMs(DURATIONS, "step step-1"), 2));
  it("is none for what was never timed", () => assert.equal(estimateMs(DURATIONS, "step other"), undefined));
});

describe("estimate of a build", () => {
  const steps = stepsOf([[run("a")], [run("b")], [run("c")]]);

  it("is boot, the steps that run, and what ends every build", () => {
    assert.deepEqual(partsOf(steps, { cached: 1 }), [["boot", 100], ["step-1", 2], ["step-2", undefined], ...END]);
  });

  it("has a warm restore instead of the boot where one can be had", () => {
    assert.deepEqual(partsOf(steps.slice(0, 1), { warm: true })[0], ["restore", 10]);
  });

  it("boots for a step that asks for it, once when it is the first", () => {
    const [first, second] = steps.map(freshBoot);
    assert.ok(first && second);
    assert.deepEqual(partsOf([first, second], { warm: true }).slice(0, 4), [
      ["boot", 100],
      ["step-0", 5],
      ["boot", 100],
      ["step-1", 2],
    ]);
  });

  it("has a phase for each output", () => {
    const made = plan({ outputs: ["container-disk", "layered-disk"], checks: [] });
    const { parts } = estimateBuild({ plan: made, steps: [], durations: DURATIONS, warm: false });
    assert.deepEqual(
      parts.map(({ name }) => name),
      ["boot", "seal", "convert", "wrap", "layers"],
    );
  });

  it("ends a build whose steps are all cached, too", () => {
    const made = plan({ steps, outputs: [], checks: [] });
    const statuses = planDiff(made, { layers: 4, end: { kind: "complete" }, now: 0 }, undefined);
    const { parts } = estimateBuild({ plan: made, steps: statuses, durations: DURATIONS, warm: false });
    assert.deepEqual(
      parts.map(({ name }) => name),
      ["boot", "seal", "convert"],
    );
  });
});
