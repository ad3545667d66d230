import { isoImage } from "./iso9660.ts";
import type { KeyPair } from "./ssh2-machine.ts";

/**
 * A seed for cloud-init's NoCloud data source: a disc labelled `cidata`.
 * See https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html
 */
export function noCloudSeed(seed: {
  readonly instanceId: string;
  readonly hostname: string;
  readonly userData: object;
}): Uint8Array {
  const { instanceId, hostname, userData } = seed;
  return isoImage("cidata", {
    // JSON is YAML, so nothing needs quoting rules of its own.
    "meta-data": `${JSON.stringify({ "instance-id": instanceId, "local-hostname": hostname })}\n`,
    "user-data": `#cloud-config\n${JSON.stringify(userData)}\n`,
  });
}

/** User data that lets `publicKey` in as root and nothing else. */
export function rootAccess(publicKey: string): object {
  return { disable_root: false, ssh_pwauth: false, users: [{ name: "root", ssh_authorized_keys: [publicKey] }] };
}

/** User data that gives the guest its one host key, so that the very first connection knows whom it talks to. */
export function knownHostKey(hostKey: KeyPair): object {
  return {
    ssh_deletekeys: true,
    ssh_keys: { ed25519_private: hostKey.privateKey, ed25519_public: hostKey.publicKey },
  };
}
