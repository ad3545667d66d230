import assert from "node:assert/strict";
import { bootsByFirmware } from "../../../verify/checks/boots-by-firmware.ts";
import { findingOf } from "../fake-clone.ts";

describe("boots-by-firmware check", () => {
  it("passes with the boot times and the kernel's command lines", async () => {
    const finding = await findingOf(bootsByFirmware, ["uefi\nroot=LABEL=root ro\n", "uefi\nroot=LABEL=root ro\n"]);
    assert.equal(finding.ok, true);
    assert.equal(finding.detail, "by uefi in 31.3 s and 31.3 s");
    assert.deepEqual(finding.evidence, ["verify-a: root=LABEL=root ro", "verify-b: root=LABEL=root ro"]);
  });

  it("passes a BIOS disk booted by BIOS", async () => {
    assert.equal((await findingOf(bootsByFirmware, ["bios\nro\n"], { firmware: "bios" })).ok, true);
  });

  it("fails when another firmware booted it", async () => {
    const finding = await findingOf(bootsByFirmware, ["uefi\nro\n", "bios\nro\n"]);
    assert.equal(finding.ok, false);
    assert.equal(finding.detail, "verify-b: booted by bios, not by uefi");
  });

  it("fails without an answer", async () => {
    assert.equal((await findingOf(bootsByFirmware, [""])).detail, "verify-a: booted by unknown firmware, not by uefi");
  });
});
