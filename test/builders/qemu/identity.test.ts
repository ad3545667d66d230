import assert from "node:assert/strict";
import { buildIdentity } from "../../../builders/qemu/identity.ts";
import type { Base } from "../../../src/core/disk-image.ts";

const disk = {
  path: "/base.qcow2",
  format: "qcow2",
  virtualBytes: 1,
  fileBytes: 1,
  digest: `sha256:${"0".repeat(64)}`,
} as const;
const ofOurs: Base = { disk, identity: "systemd-credentials" };
const ofOthers: Base = { disk, identity: "nocloud" };

describe("a build's identity", () => {
  it("is new for every build", () => {
    const [one, two] = [buildIdentity(ofOurs, "a"), buildIdentity(ofOurs, "a")];
    assert.notEqual(one.publicKey, two.publicKey);
    assert.notEqual(one.access.hostKey, two.access.hostKey);
  });

  it("knows the host key before the guest has it", () => {
    assert.match(buildIdentity(ofOurs, "a").access.hostKey, /^ssh-ed25519 [A-Za-z0-9+/=]+$/);
  });

  it("gets into bases of ours by a credential, into others by a seed, and never carries the client's private key", () => {
    const [ours, others] = [buildIdentity(ofOurs, "a"), buildIdentity(ofOthers, "a")];
    assert.deepEqual(Object.keys(ours.boot.credentials ?? {}), ["tmpfiles.extra"]);
    assert.equal(ours.boot.seed, undefined);
    const seed = Buffer.from(others.boot.seed ?? []).toString("latin1");
    assert.match(seed, /disable_root/);
    const secret = others.access.privateKey.split("\n")[2] ?? "";
    assert.ok(secret.length > 20 && !seed.includes(secret));
  });

  it("marks NoCloud guests as being built, and waits for their cloud-init", () => {
    const others = buildIdentity(ofOthers, "a");
    assert.match(Buffer.from(others.boot.seed ?? []).toString("latin1"), /\/run\/kvci-build/);
    assert.deepEqual(others.settled, ["cloud-init", "status", "--wait"]);
    assert.equal(buildIdentity(ofOurs, "a").settled, undefined);
  });
});
