import assert from "node:assert/strict";
import { uniqueMachineId } from "../../../verify/checks/unique-machine-id.ts";
import { findingOf } from "../fake-clone.ts";

const A = "0123456789abcdef0123456789abcdef";
const B = "fedcba9876543210fedcba9876543210";

describe("unique-machine-id check", () => {
  it("passes two ids, D-Bus agreeing", async () => {
    assert.equal((await findingOf(uniqueMachineId, [`${A}\n${A}\n`, `${B}\n`])).ok, true);
  });

  for (const [answers, detail] of [
    [[A, A], "clones share their machine-id"],
    [["uninitialized", A], 'verify-a: "uninitialized" is not a machine-id'],
    [["0".repeat(32), A], `verify-a: "${"0".repeat(32)}" is not a machine-id`],
    [["", A], 'verify-a: "" is not a machine-id'],
    [[A], "one clone alone cannot show that ids differ"],
    [[`${A}\n${B}`, B], "verify-a: D-Bus has another machine-id than /etc/machine-id"],
  ] as const) {
    it(`fails: ${detail}`, async () => {
      const finding = await findingOf(uniqueMachineId, answers);
      assert.equal(finding.ok, false);
      assert.equal(finding.detail, detail);
    });
  }

  it("fails an id that is the build's", async () => {
    const finding = await findingOf(uniqueMachineId, [A, B], { buildMachineId: B });
    assert.equal(finding.detail, "verify-b: the machine-id is the build's");
  });
});
