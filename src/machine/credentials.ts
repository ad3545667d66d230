import type { KeyPair } from "./ssh2-machine.ts";

/** Where the build's identity lives in the guest: memory only, gone with the power. */
export const IDENTITY_FOLDER = "/run/kvci-build";
/** The one file on the guest's disk; it holds paths, no keys, and sealing removes it. */
export const SSHD_DROP_IN = "/etc/ssh/sshd_config.d/00-kvci-build.conf";

/**
 * The systemd credential `tmpfiles.extra` (systemd ≥ 252) that makes sshd accept this build's key and show this build's
 * host key, both from memory. systemd-tmpfiles runs it before sshd starts; no cloud-init is needed.
 * See systemd.system-credentials(7) and tmpfiles.d(5); `~` says that the argument is base64.
 */
export function identityCredential(identity: { readonly clientKey: KeyPair; readonly hostKey: KeyPair }): string {
  const sshd = [
    `HostKey ${IDENTITY_FOLDER}/host_key`,
    `AuthorizedKeysFile ${IDENTITY_FOLDER}/authorized_keys`,
    "PermitRootLogin prohibit-password",
    // Reverse look-ups of a user-mode network's gateway only wait for their time-out.
    "UseDNS no",
    "",
  ].join("\n");
  return [
    `d ${IDENTITY_FOLDER} 0755 root root -`,
    file(`${IDENTITY_FOLDER}/host_key`, "0600", identity.hostKey.privateKey),
    file(`${IDENTITY_FOLDER}/authorized_keys`, "0644", `${identity.clientKey.publicKey}\n`),
    file(SSHD_DROP_IN, "0600", sshd),
    "",
  ].join("\n");
}

function file(path: string, mode: string, content: string): string {
  return `f+~ ${path} ${mode} root root - ${Buffer.from(content, "utf8").toString("base64")}`;
}
