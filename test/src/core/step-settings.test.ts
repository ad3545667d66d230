import assert from "node:assert/strict";
import { run } from "../../../src/core/op-makers.ts";
import { freshBoot, maxAge, phase, volatile } from "../../../src/core/step-settings.ts";
import { defineStep } from "../../../src/core/step.ts";
import { plan } from "./arbitraries.ts";

const step = defineStep("updates", [run("apt-get", "dist-upgrade")]);

describe("settings of a step", () => {
  it("leave the step as it was and return another", () => {
    const all = maxAge("7d", volatile(freshBoot(step)));
    assert.deepEqual(Object.keys(step), ["name", "ops"]);
    assert.deepEqual(all, { ...step, volatile: true, freshBoot: true, maxAgeMs: 604_800_000 });
  });

  it("are in the plan where they are given, and nowhere else", () => {
    const steps = [
      defineStep("plain", [run("a")]),
      ...phase("node", [freshBoot(maxAge("90m", volatile(step))), defineStep("b", [])]),
    ];
    const shown = plan({ steps }).disk.steps.map((each) =>
      Object.fromEntries(Object.entries(each).filter(([name]) => name !== "key" && name !== "ops")),
    );
    assert.deepEqual(shown, [
      { name: "plain" },
      { name: "updates", volatile: true, maxAgeMs: 5_400_000, freshBoot: true, phase: "node" },
      { name: "b", phase: "node" },
    ]);
  });

  it("change the key of a step only by freshBoot", () => {
    const key = (given: typeof step): string | undefined => plan({ steps: [given] }).disk.steps[0]?.key;
    assert.equal(key(volatile(maxAge("1w", step))), key(step));
    assert.notEqual(key(freshBoot(step)), key(step));
    assert.equal(key({ ...step, freshBoot: false }), key(step));
  });

  it("change the plan's id, for the layers that come out of it differ", () => {
    const [only] = phase("node", [step]);
    const ids = [step, volatile(step), only].map((each) => plan({ steps: each ? [each] : [] }).id);
    assert.equal(new Set(ids).size, 3);
  });
});

describe("maxAge", () => {
  for (const [text, ms] of [
    ["1m", 60_000],
    ["12h", 43_200_000],
    ["7d", 604_800_000],
    ["2w", 1_209_600_000],
    ["99999m", 5_999_940_000],
  ] as const) {
    it(`takes ${text}`, () => assert.equal(maxAge(text, step).maxAgeMs, ms));
  }

  for (const text of ["", "7", "d", "0d", "07d", "-1d", "1.5h", "7 d", "7D", "1y", "100000m", "1d\n", 7, undefined]) {
    it(`refuses ${text === undefined ? "nothing" : JSON.stringify(text)}`, () => {
      assert.throws(() => maxAge(text as string, step), { code: "template-invalid", message: /maxAge/ });
    });
  }
});

describe("phase", () => {
  for (const name of ["node", "k8s-1", "a", "x".repeat(32)]) {
    it(`takes the name ${name}`, () => assert.equal(phase(name, [step])[0]?.phase, name));
  }

  for (const name of ["", "-a", "a-", "Node", "a b", "a/b", "x".repeat(33), "node\n", 1]) {
    it(`refuses ${JSON.stringify(name)}`, () => {
      assert.throws(() => phase(name as string, [step]), { code: "template-invalid", message: /phase/ });
    });
  }

  it("of an inner call is replaced by the outer one", () => {
    assert.deepEqual(
      phase("outer", phase("inner", [step])).map((each) => each.phase),
      ["outer"],
    );
  });
});
