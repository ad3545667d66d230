import assert from "node:assert/strict";
import { buildIdentityAbsent } from "../../../verify/checks/build-identity-absent.ts";
import { findingOf } from "../fake-clone.ts";

const BUILD_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBuild kvci-build@quickstart";
const OWN_KEY = "key: /root/.ssh/authorized_keys ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIVerify kvci-verify@verify-a\n";

describe("build-identity-absent check", () => {
  it("passes when only the verification's own key is let in", async () => {
    assert.equal((await findingOf(buildIdentityAbsent, [OWN_KEY, OWN_KEY], { buildKey: BUILD_KEY })).ok, true);
  });

  for (const [line, detail] of [
    ["path: /run/kvci-build", "/run/kvci-build exists"],
    ["path: /etc/ssh/sshd_config.d/00-kvci-build.conf", "/etc/ssh/sshd_config.d/00-kvci-build.conf exists"],
    ["marker: /home/debian/.ssh/authorized_keys", '/home/debian/.ssh/authorized_keys holds "kvci-build@"'],
    ["instance: /var/lib/cloud/instances/build-1", "/var/lib/cloud/instances/build-1 is not of this boot"],
  ] as const) {
    it(`fails on "${line}"`, async () => {
      const finding = await findingOf(buildIdentityAbsent, [OWN_KEY, `${OWN_KEY}${line}\n`]);
      assert.equal(finding.ok, false);
      assert.equal(finding.detail, `verify-b: ${detail}`);
    });
  }

  it("finds the build's key without its comment", async () => {
    const answer = "key: /root/.ssh/authorized_keys2 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBuild\n";
    const finding = await findingOf(buildIdentityAbsent, [answer], { buildKey: BUILD_KEY });
    assert.equal(finding.detail, "verify-a: /root/.ssh/authorized_keys2 lets the build's key in");
  });
});
