import type { Base } from "../../src/core/disk-image.ts";
import { IDENTITY_FOLDER, identityCredential } from "../../src/machine/credentials.ts";
import { knownHostKey, noCloudSeed, rootAccess } from "../../src/machine/nocloud.ts";
import { generateKeyPair, type KeyPair } from "../../src/machine/ssh2-machine.ts";
import type { BootRequest } from "../../src/qemu/boot-request.ts";
import type { Access } from "../../src/qemu/reach.ts";

/** Ends the public keys of every build, so that one left behind in an image can be found by it. */
const KEY_COMMENT = "kvci-build@build";

/** A build's own keys: made for it, held in memory, known to nobody else. */
export interface BuildIdentity {
  readonly access: Access;
  /** One line, as in authorized_keys. */
  readonly publicKey: string;
  /** What carries it into the guest. */
  readonly boot: Pick<BootRequest, "credentials" | "seed">;
  /** Returns once a boot has settled. cloud-init goes on after sshd answers, and would undo what sealing removes. */
  readonly settled: readonly string[] | undefined;
}

export function buildIdentity(base: Base, buildName: string): BuildIdentity {
  const clientKey = generateKeyPair(KEY_COMMENT);
  const hostKey = generateKeyPair(KEY_COMMENT);
  const access = { username: "root", privateKey: clientKey.privateKey, hostKey: withoutComment(hostKey.publicKey) };
  return {
    access,
    settled: base.identity === "nocloud" ? ["cloud-init", "status", "--wait"] : undefined,
    publicKey: clientKey.publicKey,
    boot: base.identity === "nocloud" ? seed(clientKey, hostKey, buildName) : credentials(clientKey, hostKey),
  };
}

function credentials(clientKey: KeyPair, hostKey: KeyPair): BuildIdentity["boot"] {
  return { credentials: { "tmpfiles.extra": identityCredential({ clientKey, hostKey }) } };
}

function seed(clientKey: KeyPair, hostKey: KeyPair, buildName: string): BuildIdentity["boot"] {
  const userData = {
    ...rootAccess(clientKey.publicKey),
    ...knownHostKey(hostKey),
    // First-boot units look for it and stay still while the disk is built.
    bootcmd: [["mkdir", "-p", IDENTITY_FOLDER]],
  };
  return { seed: noCloudSeed({ instanceId: `kvci-build-${buildName}`, hostname: "kvci-build", userData }) };
}

function withoutComment(publicKey: string): string {
  return publicKey.split(" ").slice(0, 2).join(" ");
}
