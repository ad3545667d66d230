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
export function identityCredential(identity: Identity): string {
  return [
    `d ${IDENTITY_FOLDER} 0755 root root -`,
    ...identityFiles(identity).map(({ path, mode, content }) => file(path, mode, content)),
    "",
  ].join("\n");
}

/** The same as a shell script, for bases whose cloud-init runs it before sshd starts. */
export function identityScript(identity: Identity): string {
  const files = identityFiles(identity).flatMap(({ path, mode, content }) => [
    `printf %s ${base64(content)} | base64 -d > ${path}`,
    `chmod ${mode} ${path}`,
  ]);
  return [
    "umask 077",
    `mkdir -p ${IDENTITY_FOLDER} /etc/ssh/sshd_config.d && chmod 755 ${IDENTITY_FOLDER}`,
    ...files,
    "# Where SELinux is on, sshd may read files of these types only.",
    `chcon -t sshd_key_t ${IDENTITY_FOLDER}/host_key 2> /dev/null`,
    `chcon -t ssh_home_t ${IDENTITY_FOLDER}/authorized_keys 2> /dev/null`,
    "for unit in ssh.service sshd.service; do systemctl --no-block try-restart $unit 2> /dev/null; done",
    "true",
  ].join("\n");
}

interface Identity {
  readonly clientKey: KeyPair;
  readonly hostKey: KeyPair;
}

function identityFiles(
  identity: Identity,
): { readonly path: string; readonly mode: string; readonly content: string }[] {
  const sshd = [
    `HostKey ${IDENTITY_FOLDER}/host_key`,
    `AuthorizedKeysFile ${IDENTITY_FOLDER}/authorized_keys`,
    "PermitRootLogin prohibit-password",
    // Reverse look-ups of a user-mode network's gateway only wait for their time-out.
    "UseDNS no",
    // Packages may come by the build's connection; sshd takes the first word on a subject, and this file is read first.
    "AllowTcpForwarding yes",
    "",
  ].join("\n");
  return [
    { path: `${IDENTITY_FOLDER}/host_key`, mode: "0600", content: identity.hostKey.privateKey },
    { path: `${IDENTITY_FOLDER}/authorized_keys`, mode: "0644", content: `${identity.clientKey.publicKey}\n` },
    { path: SSHD_DROP_IN, mode: "0600", content: sshd },
  ];
}

function file(path: string, mode: string, content: string): string {
  return `f+~ ${path} ${mode} root root - ${base64(content)}`;
}

function base64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}
