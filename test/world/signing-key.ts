import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { command } from "./command.ts";

/** An OpenPGP key that signs a repository of the tests, in a keyring of its own. */
export interface SigningKey extends AsyncDisposable {
  /** ASCII-armoured. */
  readonly publicKey: string;
  /** For the `_gpg_name` of rpmsign and the `--local-user` of gpg. */
  readonly fingerprint: string;
  readonly gpgHome: string;
  /** The text with its signature around it, as an InRelease has it. */
  readonly clearSign: (text: string) => Promise<string>;
  /** An armoured signature beside the bytes of `file`. */
  readonly detach: (file: string) => Promise<string>;
}

/** A new key: RSA, which every package manager of every release knows. */
export async function signingKey(name = "Test Packages <packages@example.org>"): Promise<SigningKey> {
  // Sockets of gpg's agent are in it: their paths may have 107 characters.
  const gpgHome = await mkdtemp(join("/tmp", "kvci-gpg-"));
  const env = { GNUPGHOME: gpgHome };
  const gpg = (args: readonly string[], stdin = ""): Promise<string> =>
    command(["gpg", "--batch", "--yes", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "", ...args], {
      env,
      stdin,
    });
  await gpg(["--quick-generate-key", name, "rsa3072", "sign", "never"]);
  const listing = await gpg(["--with-colons", "--list-keys"]);
  return {
    gpgHome,
    fingerprint: /^fpr:+([0-9A-F]{40}):/m.exec(listing)?.[1] ?? "",
    publicKey: await gpg(["--armor", "--export"]),
    clearSign: (text) => gpg(["--clear-sign", "--armor"], text),
    detach: (file) => gpg(["--detach-sign", "--armor", "--output", "-", file]),
    async [Symbol.asyncDispose]() {
      await command(["gpgconf", "--kill", "all"], { env });
      await rm(gpgHome, { recursive: true, force: true });
    },
  };
}
