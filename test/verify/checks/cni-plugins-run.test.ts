import assert from "node:assert/strict";
import { cniPluginsRun } from "../../../verify/checks/cni-plugins-run.ts";
import { findingOf } from "../fake-clone.ts";

const GOOD = ["bridge", "host-local", "loopback", "portmap"]
  .map((name) => `answer: ${name} {"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}\n`)
  .join("");

describe("cni-plugins-run check", () => {
  it("passes when all basic plugins tell their versions", async () => {
    const finding = await findingOf(cniPluginsRun, [GOOD]);
    assert.deepEqual([finding.ok, finding.detail], [true, "bridge, host-local, loopback, portmap answer"]);
  });

  for (const [answer, detail] of [
    [GOOD.replace("answer: portmap", "other: portmap"), "/opt/cni/bin/portmap is missing or cannot be run"],
    [
      GOOD.replace(/answer: bridge .*/, "answer: bridge sh: 1: Exec format error"),
      "/opt/cni/bin/bridge does not run: sh: 1: Exec format error",
    ],
    [`dangling: vlan\n${GOOD}`, "/opt/cni/bin/vlan leads nowhere"],
  ] as const) {
    it(`fails: ${detail}`, async () => {
      const finding = await findingOf(cniPluginsRun, [answer]);
      assert.deepEqual([finding.ok, finding.detail], [false, `verify-a: ${detail}`]);
    });
  }
});
