import type { Base } from "../../src/core/disk-image.ts";
import { identityCredential, identityScript } from "../../src/machine/credentials.ts";
import { noCloudSeed } from "../../src/machine/nocloud.ts";
import { generateKeyPair, type KeyPair } from "../../src/machine/ssh2-machine.ts";
import type { BootRequest } from "../../src/qemu/boot-request.ts";
import type { Access } from "../../src/qemu/reach.ts";

/** Ends the public keys of every build, so that one left behind in an image can be found by it. */
const KEY_COMMENT = "kvci-build@build";

/** The key that opens a guest, and the one the guest shows. */
export interface Keys {
  readonly clientKey: KeyPair;
  readonly hostKey: KeyPair;
}

/**
 * A guest's own keys: made for its first boot, and living on in its memory only. Whoever boots a layer makes new ones; a warm
 * state keeps those that its memory knows.
 */
export interface BuildIdentity {
  readonly keys: Keys;
  readonly access: Access;
  /** One line, as in authorized_keys. */
  readonly publicKey: string;
  /** What carries it into the guest. */
  readonly boot: Pick<BootRequest, "credentials" | "seed">;
}

export function newKeys(): Keys {
  return { clientKey: generateKeyPair(KEY_COMMENT), hostKey: generateKeyPair(KEY_COMMENT) };
}

export function buildIdentity(base: Pick<Base, "identity">, buildName: string, keys: Keys): BuildIdentity {
  const { clientKey, hostKey } = keys;
  return {
    keys,
    access: { username: "root", privateKey: clientKey.privateKey, hostKey: withoutComment(hostKey.publicKey) },
    publicKey: clientKey.publicKey,
    boot:
      base.identity === "nocloud"
        ? { seed: seed(keys, buildName) }
        : { credentials: { "tmpfiles.extra": identityCredential(keys) } },
  };
}

/** No user and no key by cloud-init's own means: those would be on the disk, and so in the layers. */
function seed(keys: Keys, buildName: string): Uint8Array {
  const userData = {
    users: [],
    ssh_pwauth: false,
    ssh_deletekeys: false,
    ssh_genkeytypes: [],
    // Runs at every boot, before sshd. First-boot units look for its folder and stay still while the disk is built.
    bootcmd: [["sh", "-c", identityScript(keys)]],
  };
  return noCloudSeed({ instanceId: `kvci-build-${buildName}`, hostname: "kvci-build", userData });
}

function withoutComment(publicKey: string): string {
  return publicKey.split(" ").slice(0, 2).join(" ");
}
