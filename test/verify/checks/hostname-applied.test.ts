import assert from "node:assert/strict";
import { hostnameApplied } from "../../../verify/checks/hostname-applied.ts";
import { findingOf } from "../fake-clone.ts";

describe("hostname-applied check", () => {
  it("passes the given names, with or without a domain", async () => {
    assert.equal(
      (await findingOf(hostnameApplied, ["verify-a\nverify-a\n", "verify-b.example.org\nverify-b\n"])).ok,
      true,
    );
  });

  it("passes a machine that keeps its name in memory only", async () => {
    assert.equal((await findingOf(hostnameApplied, ["verify-a\n"])).ok, true);
  });

  it("fails a name that was kept from the build", async () => {
    const finding = await findingOf(hostnameApplied, ["localhost\nlocalhost\n"]);
    assert.equal(finding.ok, false);
    assert.deepEqual(finding.evidence, ['verify-a: is called "localhost"', 'verify-a: /etc/hostname says "localhost"']);
  });

  it("fails a name that will not survive the next boot", async () => {
    assert.equal(
      (await findingOf(hostnameApplied, ["verify-a\nbuild\n"])).detail,
      'verify-a: /etc/hostname says "build"',
    );
  });
});
