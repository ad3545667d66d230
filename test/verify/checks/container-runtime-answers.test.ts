import assert from "node:assert/strict";
import { containerRuntimeAnswers } from "../../../verify/checks/container-runtime-answers.ts";
import { findingOf } from "../fake-clone.ts";

const CRICTL =
  "crictl: Version:  0.1.0\ncrictl: RuntimeName:  containerd\ncrictl: RuntimeVersion:  1.7.24\ncrictl: RuntimeApiVersion:  v1\n";
const CTR = "ctr: Client:\nctr:   Version:  1.6.19\nctr: \nctr: Server:\nctr:   Version:  1.6.20\nctr:   Revision: x\n";
const UNIT = "unit: containerd enabled active\n";

describe("container-runtime-answers check", () => {
  it("passes with the runtime's name and version", async () => {
    const finding = await findingOf(containerRuntimeAnswers, [UNIT + CRICTL]);
    assert.deepEqual([finding.ok, finding.detail], [true, "containerd 1.7.24"]);
  });

  it("takes ctr's server for an answer where crictl is not there", async () => {
    assert.equal((await findingOf(containerRuntimeAnswers, [UNIT + CTR])).detail, "containerd 1.6.20");
  });

  for (const [answer, detail] of [
    ["", "there is no container runtime"],
    [`unit: crio disabled active\n${CRICTL}`, "crio.service is disabled, so it does not start with the node"],
    [`unit: containerd enabled failed\n${CRICTL}`, "containerd.service is failed"],
    [UNIT, "no answer: neither crictl nor ctr is there"],
    [`${UNIT}crictl: FATA[0002] connection refused\n`, "no answer: FATA[0002] connection refused"],
    [`${UNIT}ctr: Client:\nctr:   Version:  1.6.19\nctr: cannot dial\n`, "no answer: cannot dial"],
  ] as const) {
    it(`fails: ${detail}`, async () => {
      const finding = await findingOf(containerRuntimeAnswers, [answer]);
      assert.deepEqual([finding.ok, finding.detail], [false, `verify-a: ${detail}`]);
    });
  }

  it("fails when images went into another runtime than there is", async () => {
    const images = { runtime: "cri-o", list: [] } as const;
    const finding = await findingOf(containerRuntimeAnswers, [UNIT + CRICTL], { images });
    assert.equal(finding.detail, "verify-a: the build loaded images into cri-o, which is not there");
    const crio = CRICTL.replace("containerd", "cri-o");
    assert.equal(
      (await findingOf(containerRuntimeAnswers, [`unit: crio enabled active\n${crio}`], { images })).ok,
      true,
    );
  });
});
