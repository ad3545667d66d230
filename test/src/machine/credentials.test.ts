import assert from "node:assert/strict";
import { identityCredential } from "../../../src/machine/credentials.ts";

describe("the identity credential", () => {
  const text = identityCredential({
    clientKey: { privateKey: "CLIENT PRIVATE", publicKey: "ssh-ed25519 AAAA kvci-build@build" },
    hostKey: { privateKey: "HOST PRIVATE", publicKey: "ssh-ed25519 BBBB" },
  });
  const lines = text
    .trimEnd()
    .split("\n")
    .map((line) => line.split(" "));
  const contentOf = (path: string): string =>
    Buffer.from(lines.find((line) => line[1] === path)?.[6] ?? "", "base64").toString();

  it("puts keys into memory and only paths onto the disk", () => {
    assert.equal(contentOf("/run/kvci-build/host_key"), "HOST PRIVATE");
    assert.equal(contentOf("/run/kvci-build/authorized_keys"), "ssh-ed25519 AAAA kvci-build@build\n");
    const drop = contentOf("/etc/ssh/sshd_config.d/00-kvci-build.conf");
    assert.match(drop, /^HostKey \/run\/kvci-build\/host_key$/m);
    assert.doesNotMatch(drop, /PRIVATE|AAAA/);
  });

  it("never carries the client's private key", () => {
    assert.doesNotMatch(text, new RegExp(Buffer.from("CLIENT PRIVATE").toString("base64")));
  });

  it("keeps the host key from other users", () => {
    assert.deepEqual(lines.find((line) => line[1] === "/run/kvci-build/host_key")?.slice(0, 5), [
      "f+~",
      "/run/kvci-build/host_key",
      "0600",
      "root",
      "root",
    ]);
  });
});
