import assert from "node:assert/strict";
import { clientToken } from "../../../publishers/aws/image-plan.ts";
import { releaseBuild } from "../../src/publish/release-build.ts";
import { awsTarget, planOf } from "./aws-state.ts";

describe("AWS image plan", () => {
  it("boots by the firmware that the build was verified with", () => {
    assert.equal(planOf(releaseBuild({ firmware: "uefi" })).settings.bootMode, "uefi");
    assert.equal(planOf(releaseBuild({ firmware: "bios" })).settings.bootMode, "legacy-bios");
    assert.equal(planOf(releaseBuild({ arch: "arm64" })).settings.architecture, "arm64");
  });

  it("rounds the volume up to whole GiB", () => {
    assert.equal(planOf(releaseBuild({ virtualBytes: 1024 ** 3 + 1 })).settings.volumeGiB, 2);
    assert.equal(planOf(releaseBuild({ virtualBytes: 512 })).settings.volumeGiB, 1);
  });

  it("has other attributes when a setting is another", () => {
    const plain = planOf(releaseBuild());
    assert.notEqual(planOf(releaseBuild(), awsTarget({ tpm: true })).attributes, plain.attributes);
    assert.equal(planOf(releaseBuild({ version: "2.0" })).attributes, plain.attributes);
  });

  const refused: readonly [string, Parameters<typeof releaseBuild>[0], Parameters<typeof awsTarget>[0]][] = [
    ["an architecture that AWS has not", { arch: "s390x" }, {}],
    ["a TPM without UEFI", { firmware: "bios" }, { tpm: true }],
    ["arm64 without UEFI", { arch: "arm64", firmware: "bios" }, {}],
    ["a name with characters that AWS does not take", { version: "1.0+build" }, {}],
  ];
  for (const [what, build, target] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(() => planOf(releaseBuild(build), awsTarget(target)), { code: "environment-invalid" });
    });
  }

  it("has one token for one request", () => {
    const plan = planOf(releaseBuild());
    const request = { region: "us-east-1", kind: "copy-image", attempt: 0 };
    const token = clientToken(plan, request);
    assert.match(token, /^[0-9a-f]{64}$/);
    assert.equal(clientToken({ ...plan }, { ...request }), token);
    const others = [
      clientToken(plan, { ...request, attempt: 1 }),
      clientToken(plan, { ...request, region: "eu-west-1" }),
      clientToken(plan, { ...request, kind: "snapshot" }),
      clientToken({ ...plan, name: "another" }, request),
      clientToken({ ...plan, account: "000000000000" }, request),
    ];
    assert.equal(new Set([token, ...others]).size, 6);
  });
});
