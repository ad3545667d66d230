import assert from "node:assert/strict";
import { noBuildUser } from "../../../verify/checks/no-build-user.ts";
import { findingOf } from "../fake-clone.ts";

const CLEAN = "root 0 locked\ndaemon 1 locked\ndebian 1000 locked\nops 1001 hash\n";

describe("no-build-user check", () => {
  it("passes accounts of the distribution and of the template", async () => {
    assert.equal((await findingOf(noBuildUser, [CLEAN, CLEAN])).ok, true);
  });

  for (const [answer, detail] of [
    [`${CLEAN}kvci-build 1002 locked\n`, 'there is an account "kvci-build" (uid 1002)'],
    ["root 0 hash\n", "root has a password"],
    ["root 0 empty\n", '"root" has an empty password'],
    [`${CLEAN}guest 1003 empty\n`, '"guest" has an empty password'],
    ["daemon 1 locked\n", "there is no account root"],
  ] as const) {
    it(`fails: ${detail}`, async () => {
      const finding = await findingOf(noBuildUser, [answer]);
      assert.equal(finding.ok, false);
      assert.equal(finding.detail, `verify-a: ${detail}`);
    });
  }
});
