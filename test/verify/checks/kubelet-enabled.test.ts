import assert from "node:assert/strict";
import { kubeletEnabled } from "../../../verify/checks/kubelet-enabled.ts";
import { findingOf } from "../fake-clone.ts";

const RESTARTED =
  "enabled: enabled\nActiveState: activating\nSubState: auto-restart\nConditionResult: yes\nNRestarts: 3\n";
const RUNNING = "enabled: enabled\nActiveState: active\nSubState: running\nConditionResult: yes\nNRestarts: 0\n";
const VERSION = "version: Kubernetes v1.31.14\n";
const NO_CONFIG =
  'error: E1121 10:00:00.1 801 run.go:72] "command failed" err="failed to load kubelet config file, path: /var/lib/kubelet/config.yaml, error: open /var/lib/kubelet/config.yaml: no such file or directory"\n';
const NO_CONF =
  'error: E1121 10:00:00.1 801 run.go:72] "command failed" err="unable to load bootstrap kubeconfig: stat /etc/kubernetes/bootstrap-kubelet.conf: no such file or directory"\n';
const SWAP = 'error: E1121 10:00:00.1 801 run.go:72] "command failed" err="running with swap on is not supported"\n';

describe("kubelet-enabled check", () => {
  for (const [answer, state] of [
    [RUNNING + VERSION, "running"],
    [RESTARTED + VERSION + NO_CONFIG, "waiting for a cluster's files"],
    [RESTARTED + VERSION + NO_CONF, "waiting for a cluster's files"],
    [
      `enabled: enabled\nActiveState: inactive\nSubState: dead\nConditionResult: no\nNRestarts: 0\n${VERSION}`,
      "waiting",
    ],
  ] as const) {
    it(`passes a kubelet that is ${state}: ${answer.slice(-60).trim()}`, async () => {
      const finding = await findingOf(kubeletEnabled, [answer]);
      assert.deepEqual([finding.ok, finding.detail], [true, `Kubernetes v1.31.14, ${state}`]);
    });
  }

  it("fails a kubelet that ends for another reason, also while it is up between two ends", async () => {
    for (const state of [RESTARTED, RUNNING.replace("NRestarts: 0", "NRestarts: 2")]) {
      const finding = await findingOf(kubeletEnabled, [state + VERSION + NO_CONFIG + SWAP]);
      assert.equal(finding.ok, false);
      assert.match(finding.detail, /^verify-a: kubelet fails: .*running with swap on is not supported/);
      assert.equal(finding.evidence.length, 2);
    }
  });

  it("fails a kubelet that ends without saying why", async () => {
    const finding = await findingOf(kubeletEnabled, [RESTARTED + VERSION]);
    assert.equal(finding.detail, "verify-a: kubelet fails: activating, and its log does not say why");
  });

  for (const [answer, detail] of [
    [
      RUNNING.replace("enabled: enabled", "enabled: disabled") + VERSION,
      'kubelet.service is "disabled", so it does not start with the node',
    ],
    [`${RUNNING}version: exec format error\n`, 'kubelet does not tell its version: "exec format error"'],
    ["enabled: \n", 'kubelet.service is "not there", so it does not start with the node (and 1 more)'],
  ] as const) {
    it(`fails: ${detail}`, async () => {
      const finding = await findingOf(kubeletEnabled, [answer]);
      assert.deepEqual([finding.ok, finding.detail], [false, `verify-a: ${detail}`]);
    });
  }
});
