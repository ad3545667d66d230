import assert from "node:assert/strict";
import { firstBoot, type FirstBootInput } from "../../../src/steps/first-boot.ts";
import { commandsOf, contentOf, debian } from "./golden.ts";

const input: FirstBootInput = { name: "join", script: "#!/bin/sh\ntrue\n" };
const unitOf = (change: Partial<FirstBootInput> = {}): string =>
  contentOf(firstBoot({ ...input, ...change }).ops(debian), "/etc/systemd/system/kvci-first-boot-join.service");

describe("firstBoot", () => {
  it("runs once: success leaves a stamp, and the stamp keeps the unit from starting", () => {
    const unit = unitOf();
    assert.match(unit, /^ConditionPathExists=!\/var\/lib\/kvci-build\/first-boot\/join\.done$/m);
    assert.match(unit, /^ExecStartPost=\/usr\/bin\/touch \/var\/lib\/kvci-build\/first-boot\/join\.done$/m);
  });

  it("does not run in the machine that builds the image, nor starts there", () => {
    assert.match(unitOf(), /^ConditionPathExists=!\/run\/kvci-build$/m);
    assert.deepEqual(commandsOf(firstBoot(input).ops(debian)), ["systemctl enable kvci-first-boot-join.service"]);
  });

  it("waits for cloud-init's configuration and the network, not for cloud-init's end", () => {
    assert.match(unitOf(), /^After=cloud-config\.service network-online\.target$/m);
    assert.doesNotMatch(unitOf(), /^\w+=.*cloud-final/m);
  });

  it("counts tries in a window that holds them all, however long each takes", () => {
    const unit = unitOf({ timeoutSeconds: 100, retries: 2, retryDelaySeconds: 7, hostnameSeconds: 3 });
    assert.match(unit, /^StartLimitBurst=3$/m);
    assert.match(unit, /^StartLimitIntervalSec=390$/m); // 3 × (100 + 3 + 7 + 2 × 10)
    assert.match(unit, /^TimeoutStartSec=100$/m);
    assert.match(unit, /^Restart=on-failure\nRestartSec=7$/m);
  });

  it("is not restarted when no retries are wanted", () => {
    assert.doesNotMatch(unitOf({ retries: 0 }), /^Restart/m);
  });

  it("says on console and journal why it gave up", () => {
    assert.match(unitOf(), /^OnFailure=kvci-first-boot-failed@join\.service$/m);
    const report = contentOf(firstBoot(input).ops(debian), "/etc/systemd/system/kvci-first-boot-failed@.service");
    assert.match(report, /^StandardOutput=journal\+console$/m);
  });

  it("refuses orders that are cycles, scripts without an interpreter, and unknown keys", () => {
    assert.throws(() => firstBoot({ ...input, after: ["cloud-final.service"] }), {
      code: "template-invalid",
      message: /after\.0: .*a cycle/,
    });
    assert.throws(() => firstBoot({ ...input, after: ["multi-user.target"] }), { message: /a cycle/ });
    assert.throws(() => firstBoot({ ...input, after: ["containerd"] }), { message: /whole unit name/ });
    assert.throws(() => firstBoot({ ...input, script: "echo hi" }), {
      message: /script: a script begins with its interpreter/,
    });
    assert.throws(() => firstBoot({ ...input, timeout: 3 } as never), { message: /unknown key "timeout"/ });
    assert.throws(() => firstBoot({ ...input, name: "Join Cluster" }), { message: /name: use lower-case/ });
  });
});
