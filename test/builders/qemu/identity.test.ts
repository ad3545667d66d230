import assert from "node:assert/strict";
import { buildIdentity, newKeys, type BuildIdentity } from "../../../builders/qemu/identity.ts";

const OURS = { identity: "systemd-credentials" } as const;
const OTHERS = { identity: "nocloud" } as const;
const keys = newKeys();

/** A line of a private key that no other key has. */
function bodyOf(privateKey: string): string {
  const line = privateKey.split("\n")[2] ?? "";
  assert.ok(line.length > 20);
  return line;
}

/** What is carried into a guest, also what is in base64 there. */
function everythingIn({ credentials, seed }: BuildIdentity["boot"]): string {
  const carried = `${JSON.stringify(credentials)}${Buffer.from(seed ?? []).toString("latin1")}`;
  const packed = carried.match(/[A-Za-z0-9+/=]{40,}/g) ?? [];
  return [carried, ...packed.map((text) => Buffer.from(text, "base64").toString())].join("\n");
}

describe("a build's identity", () => {
  it("has keys that are new for every boot", () => {
    const other = newKeys();
    assert.notEqual(keys.clientKey.privateKey, other.clientKey.privateKey);
    assert.notEqual(keys.hostKey.publicKey, other.hostKey.publicKey);
  });

  it("is the same again from the same keys, as a restored machine needs it", () => {
    assert.deepEqual(buildIdentity(OURS, "a", keys), buildIdentity(OURS, "a", keys));
  });

  it("logs in with one key and expects the other, which it knows before the guest has it", () => {
    const { access, publicKey } = buildIdentity(OURS, "a", keys);
    assert.equal(access.privateKey, keys.clientKey.privateKey);
    assert.match(access.hostKey, /^ssh-ed25519 [A-Za-z0-9+/=]+$/);
    assert.ok(keys.hostKey.publicKey.startsWith(access.hostKey));
    assert.equal(publicKey, keys.clientKey.publicKey);
  });

  it("gets into bases of ours by a credential, into others by a seed", () => {
    const [ours, others] = [buildIdentity(OURS, "a", keys), buildIdentity(OTHERS, "a", keys)];
    assert.deepEqual(Object.keys(ours.boot.credentials ?? {}), ["tmpfiles.extra"]);
    assert.deepEqual([ours.boot.seed, others.boot.credentials], [undefined, undefined]);
    assert.ok((others.boot.seed?.length ?? 0) > 0);
  });

  for (const base of [OURS, OTHERS]) {
    it(`never hands out the private key that logs in, by ${base.identity}`, () => {
      const all = everythingIn(buildIdentity(base, "a", keys).boot);
      assert.ok(all.includes(bodyOf(keys.hostKey.privateKey)), "the host's key is not found where it is");
      assert.ok(!all.includes(bodyOf(keys.clientKey.privateKey)));
    });
  }

  it("keeps cloud-init from writing keys of its own onto the disk", () => {
    const seed = Buffer.from(buildIdentity(OTHERS, "a", keys).boot.seed ?? []).toString("latin1");
    assert.match(seed, /"users":\[\],"ssh_pwauth":false,"ssh_deletekeys":false,"ssh_genkeytypes":\[\]/);
    assert.match(seed, /mkdir -p \/run\/kvci-build/);
    assert.doesNotMatch(seed, /ssh_authorized_keys/);
  });
});
