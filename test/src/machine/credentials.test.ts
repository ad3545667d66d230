import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { identityCredential, identityScript } from "../../../src/machine/credentials.ts";

const IDENTITY = {
  clientKey: { privateKey: "CLIENT PRIVATE", publicKey: "ssh-ed25519 AAAA kvci-build@build" },
  hostKey: { privateKey: "HOST PRIVATE", publicKey: "ssh-ed25519 BBBB" },
};

describe("the identity credential", () => {
  const text = identityCredential(IDENTITY);
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
    assert.match(drop, /^AllowTcpForwarding yes$/m);
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

describe("the identity script", () => {
  const script = identityScript(IDENTITY);
  const contentOf = (path: string): string => {
    const found = script.split("\n").find((line) => line.endsWith(`| base64 -d > ${path}`));
    return Buffer.from(found?.split(" ")[2] ?? "", "base64").toString();
  };

  it("is shell that parses", () => {
    execFileSync("sh", ["-n"], { input: script });
  });

  it("writes the very files of the credential, for nobody else to read while they are written", () => {
    assert.equal(script.split("\n")[0], "umask 077");
    assert.equal(contentOf("/run/kvci-build/host_key"), "HOST PRIVATE");
    assert.equal(contentOf("/run/kvci-build/authorized_keys"), "ssh-ed25519 AAAA kvci-build@build\n");
    assert.match(contentOf("/etc/ssh/sshd_config.d/00-kvci-build.conf"), /^HostKey \/run\/kvci-build\/host_key$/m);
    assert.match(script, /chmod 0600 \/run\/kvci-build\/host_key/);
  });

  it("never carries the client's private key", () => {
    assert.ok(!script.includes(Buffer.from("CLIENT PRIVATE").toString("base64")));
  });
});
