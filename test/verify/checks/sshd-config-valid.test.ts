import assert from "node:assert/strict";
import { sshdConfigValid } from "../../../verify/checks/sshd-config-valid.ts";
import { findingOf } from "../fake-clone.ts";

describe("sshd-config-valid check", () => {
  it("passes what sshd accepts, warnings included", async () => {
    assert.equal(
      (await findingOf(sshdConfigValid, ["valid\n", "line 3: Deprecated option UsePrivilegeSeparation\nvalid\n"])).ok,
      true,
    );
  });

  it("fails with sshd's own words", async () => {
    const finding = await findingOf(sshdConfigValid, [
      "valid\n",
      "sshd_config: line 5: Bad configuration option: Foo\ninvalid: status 255\n",
    ]);
    assert.equal(finding.ok, false);
    assert.equal(finding.detail, "verify-b: sshd -t refuses it: sshd_config: line 5: Bad configuration option: Foo");
    assert.deepEqual(finding.evidence.at(-1), "verify-b: invalid: status 255");
  });

  it("fails where there is no sshd", async () => {
    const finding = await findingOf(sshdConfigValid, [{ status: 127, output: "" }]);
    assert.equal(finding.detail, "verify-a: the probe itself ended with status 127");
  });
});
