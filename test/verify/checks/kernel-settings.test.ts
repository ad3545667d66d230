import assert from "node:assert/strict";
import { kernelSettings } from "../../../verify/checks/kernel-settings.ts";
import { findingOf } from "../fake-clone.ts";

const FORWARD = "have: net.ipv4.ip_forward=1\n";

describe("kernel-settings check", () => {
  it("passes when all modules are loaded and all parameters in force", async () => {
    const answer = `loaded: overlay\nloaded: br_netfilter\n${FORWARD}want: net.ipv4.ip_local_port_range=32768 60999\nhave: net.ipv4.ip_local_port_range=32768\t60999\n`;
    const finding = await findingOf(kernelSettings, [answer]);
    assert.deepEqual([finding.ok, finding.detail], [true, "2 modules, 1 parameters"]);
  });

  it("takes the last of several values for the one that is asked for", async () => {
    const answer = `${FORWARD}want: vm.swappiness=60\nhave: vm.swappiness=10\nwant: vm.swappiness=10\nhave: vm.swappiness=10\n`;
    assert.equal((await findingOf(kernelSettings, [answer])).ok, true);
  });

  for (const [answer, detail] of [
    [`missing: br_netfilter\n${FORWARD}`, "module br_netfilter is not loaded"],
    [`${FORWARD}want: vm.nr_hugepages=64\nhave: vm.nr_hugepages=12\n`, 'vm.nr_hugepages is "12", not "64"'],
    [
      `${FORWARD}want: net.netfilter.nf_conntrack_max=5\nhave: net.netfilter.nf_conntrack_max=sysctl: cannot stat\n`,
      'net.netfilter.nf_conntrack_max is "sysctl: cannot stat", not "5"',
    ],
    ["have: net.ipv4.ip_forward=0\n", 'net.ipv4.ip_forward is "0", not "1"'],
    ["", 'net.ipv4.ip_forward is "", not "1"'],
  ] as const) {
    it(`fails: ${detail}`, async () => {
      const finding = await findingOf(kernelSettings, [answer]);
      assert.deepEqual([finding.ok, finding.detail], [false, `verify-a: ${detail}`]);
    });
  }
});
