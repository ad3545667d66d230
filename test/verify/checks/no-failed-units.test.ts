import assert from "node:assert/strict";
import { noFailedUnits } from "../../../verify/checks/no-failed-units.ts";
import { findingOf } from "../fake-clone.ts";

describe("no-failed-units check", () => {
  it("passes a running system", async () => {
    assert.equal((await findingOf(noFailedUnits, ["state: running\n", "state: running\n"])).ok, true);
  });

  it("names every failed unit, with its last lines as evidence", async () => {
    const bad = "state: degraded\nunit: kvci-first-boot.service\n  curl: could not resolve host\nunit: b.service\n";
    const finding = await findingOf(noFailedUnits, ["state: running\n", bad]);
    assert.equal(finding.ok, false);
    assert.equal(finding.detail, "verify-b: kvci-first-boot.service failed (and 1 more)");
    assert.ok(finding.evidence.includes("verify-b:   curl: could not resolve host"));
  });

  it("fails a unit that failed although the system calls itself running", async () => {
    assert.equal((await findingOf(noFailedUnits, ["state: running\nunit: a.service\n"])).ok, false);
  });

  it("fails a boot that does not come to its end, and counts what is left", async () => {
    const finding = await findingOf(noFailedUnits, ["state: starting\njob: 12 cloud-final.service start running\n"]);
    assert.equal(finding.detail, 'verify-a: the system is "starting", 1 jobs not done');
  });

  it("fails a degraded system without a failed unit, and one that says nothing", async () => {
    assert.equal((await findingOf(noFailedUnits, ["state: degraded\n"])).detail, 'verify-a: the system is "degraded"');
    assert.equal((await findingOf(noFailedUnits, [""])).detail, 'verify-a: the system is "unknown"');
  });
});
