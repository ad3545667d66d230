import assert from "node:assert/strict";
import { uniqueHostKeys } from "../../../verify/checks/unique-host-keys.ts";
import { findingOf } from "../fake-clone.ts";

const A = "ssh-ed25519 AAAA1 root@verify-a\necdsa-sha2-nistp256 AAAA2 root@verify-a\n";
const B = "ssh-ed25519 AAAA3 root@verify-b\necdsa-sha2-nistp256 AAAA4 root@verify-b\n";

describe("unique-host-keys check", () => {
  it("passes keys that differ in every type, whatever their comments", async () => {
    const finding = await findingOf(uniqueHostKeys, [A, B]);
    assert.equal(finding.ok, true);
    assert.equal(finding.detail, "different in every type: ecdsa-sha2-nistp256, ssh-ed25519");
  });

  for (const [answers, detail] of [
    [[A, B.replace("AAAA4", "AAAA2")], "clones share their ecdsa-sha2-nistp256 host key"],
    [[A, "ssh-ed25519 AAAA3 root@verify-b\n"], "verify-b: has no ecdsa-sha2-nistp256 host key"],
    [["", ""], "there are no SSH host keys"],
    [[A], "one clone alone cannot show that keys differ"],
  ] as const) {
    it(`fails: ${detail}`, async () => {
      const finding = await findingOf(uniqueHostKeys, answers);
      assert.equal(finding.ok, false);
      assert.equal(finding.detail, detail);
    });
  }
});
