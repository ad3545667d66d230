import assert from "node:assert/strict";
import { instanceTypeFor, runRequest, tokenOf } from "../../verify/ec2-boot-request.ts";

const BOOT = {
  image: "ami-1",
  type: "m8i.large",
  nesting: true,
  keyName: "key",
  groupId: "sg-1",
  hostname: "verify-a",
  publicKey: "ssh-ed25519 AAAA",
};

describe("boot on EC2", () => {
  it("has a type for each architecture that EC2 has, and takes the one that is chosen", () => {
    assert.equal(instanceTypeFor("amd64", undefined), "t3.large");
    assert.equal(instanceTypeFor("arm64", undefined), "t4g.large");
    assert.equal(instanceTypeFor("arm64", "m7g.large"), "m7g.large");
    assert.throws(() => instanceTypeFor("s390x", undefined), { code: "environment-invalid", message: /s390x/ });
  });

  it("is one request for one name, so that a repeated one makes no second instance", () => {
    const request = runRequest("kvci-verify-a", { Name: "a" }, BOOT);
    assert.deepEqual(runRequest("kvci-verify-a", { Name: "a" }, BOOT), request);
    assert.equal(request.ClientToken, tokenOf("kvci-verify-a"));
    assert.notEqual(tokenOf("kvci-verify-b"), request.ClientToken);
    assert.deepEqual(request.CpuOptions, { NestedVirtualization: "enabled" });
  });

  it("fits into the 16 KiB of user data that EC2 takes", () => {
    const { UserData: data = "" } = runRequest("a", {}, { ...BOOT, publicKey: `ssh-ed25519 ${"A".repeat(700)}` });
    assert.ok(Buffer.from(data, "base64").length < 16_384);
  });
});
