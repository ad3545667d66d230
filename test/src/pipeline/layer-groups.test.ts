import assert from "node:assert/strict";
import type { BuiltLayer } from "../../../src/core/builder.ts";
import { sha256 } from "../../../src/core/digest.ts";
import type { PlannedStep } from "../../../src/core/plan.ts";
import { groupLayers } from "../../../src/pipeline/layer-groups.ts";

const step = (name: string, phase?: string): PlannedStep => ({
  name,
  key: sha256(name),
  ops: [],
  ...(phase === undefined ? {} : { phase }),
});
const layer = (step: string): BuiltLayer => ({
  id: step,
  key: sha256(step),
  path: `/${step}`,
  digest: sha256(`bytes of ${step}`),
  bytes: 1,
  virtualBytes: 2,
  step,
});

/** Groups as `phase: layer, layer | step, step`, and the steps that are left. */
function shown(steps: readonly PlannedStep[], layers: readonly string[]): { groups: string[]; rest: string[] } {
  const { groups, rest } = groupLayers(steps, layers.map(layer));
  return {
    groups: groups.map((group) => {
      const [below, within] = [group.layers.map(({ id }) => id), group.steps.map(({ name }) => name)];
      return `${group.phase}: ${below.join(", ")} | ${within.join(", ")}`;
    }),
    rest: rest.map(({ name }) => name),
  };
}

describe("layer groups", () => {
  it("put neighbours of one phase together, the first boot with the first", () => {
    const steps = [step("a", "node"), step("b", "node"), step("c", "images")];
    assert.deepEqual(shown(steps, ["boot", "a", "b", "c"]), {
      groups: ["node: boot, a, b | a, b", "images: c | c"],
      rest: [],
    });
  });

  it("call steps without a phase steps, and keep apart what is not neighbouring", () => {
    const steps = [step("a"), step("b", "node"), step("c"), step("d", "node")];
    assert.deepEqual(shown(steps, ["boot", "a", "b", "c", "d"]), {
      groups: ["steps: boot, a | a", "node: b | b", "steps: c | c", "node: d | d"],
      rest: [],
    });
  });

  it("have the first boot alone in a template without steps", () => {
    assert.deepEqual(shown([], ["boot"]), { groups: ["boot: boot | "], rest: [] });
    assert.deepEqual(shown([], []), { groups: [], rest: [] });
  });

  it("leave steps without a layer over", () => {
    assert.deepEqual(shown([step("a"), step("b"), step("c")], ["boot", "a"]), {
      groups: ["steps: boot, a | a"],
      rest: ["b", "c"],
    });
    assert.deepEqual(shown([step("a")], ["boot"]), { groups: ["boot: boot | "], rest: ["a"] });
  });
});
