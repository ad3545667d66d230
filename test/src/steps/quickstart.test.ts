import assert from "node:assert/strict";
import { EMPTY_LOCK } from "../../../src/core/lock.ts";
import { makePlan } from "../../../src/core/plan.ts";
import { seal } from "../../../src/steps/seal.ts";
import quickstart from "../../../templates/quickstart.ts";

describe("quickstart template", () => {
  for (const arch of quickstart.arches) {
    it(`has a plan for ${arch} that needs no lock and no file`, () => {
      const plan = makePlan({ template: quickstart, arch, lock: EMPTY_LOCK, files: new Map(), seal: seal() });
      assert.deepEqual(
        plan.disk.steps.map(({ name }) => name),
        ["kubernetes-node-prerequisites", "containerd", "cni-plugins", "swap-off", "first-boot-node-name"],
      );
      assert.equal(plan.disk.platform.bootLoader, "systemd-boot");
    });
  }
});
