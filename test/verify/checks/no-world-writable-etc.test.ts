import assert from "node:assert/strict";
import { noWorldWritableEtc } from "../../../verify/checks/no-world-writable-etc.ts";
import { findingOf } from "../fake-clone.ts";

describe("no-world-writable-etc check", () => {
  it("passes when nothing is listed", async () => {
    assert.equal((await findingOf(noWorldWritableEtc, ["", ""])).ok, true);
  });

  it("names what everybody can change", async () => {
    const finding = await findingOf(noWorldWritableEtc, ["writable: /etc/cni/net.d\n"]);
    assert.equal(finding.ok, false);
    assert.equal(finding.detail, "verify-a: /etc/cni/net.d can be changed by everybody");
  });
});
