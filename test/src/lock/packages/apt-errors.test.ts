import assert from "node:assert/strict";
import { canonicalText, missingPackage, updateError } from "../../../../src/lock/packages/apt-errors.ts";
import type { AptOutput, AptPlace } from "../../../../src/lock/packages/apt-root.ts";

const place: AptPlace = {
  source: { name: "kubernetes", uris: ["https://pkgs.example.org/deb/"], suites: ["/"], components: [], keyring: "/k" },
  uri: "https://pkgs.example.org/deb/",
  fetchedFrom: "http://127.0.0.1:1/https/pkgs.example.org/deb/",
};
const said = (...lines: readonly string[]): AptOutput => ({ stdout: "", all: lines.join("\n"), failed: true });
const errorOf = (...lines: readonly string[]): { code: string; message: string } => {
  const { code, message } = updateError(said(...lines), [place]);
  return { code, message };
};

describe("what apt says of indexes", () => {
  const signature = {
    code: "signature-invalid",
    message: 'the index of repository "kubernetes" (https://pkgs.example.org/deb/) is not signed by its key',
  };

  it("is a wrong signature, whichever way it is wrong", () => {
    const from = "http://127.0.0.1:1/https/pkgs.example.org/deb";
    for (const line of [
      `W: GPG error: ${from}  InRelease: The following signatures couldn't be verified because the public key is not available: NO_PUBKEY 0011`,
      `W: GPG error: ${from}  InRelease: The following signatures were invalid: BADSIG 0011 Test`,
      `E: The repository '${from}  Release' is not signed.`,
      `W: GPG error: ${from}  InRelease: The following signatures were invalid: EXPKEYSIG 0011 Test`,
      `E: Failed to fetch ${from}/InRelease  Clearsigned file isn't valid, got 'NOSPLIT' (does the network require authentication?)`,
    ]) {
      assert.deepEqual(errorOf(line), signature, line);
    }
  });

  it("is another index than the signed one", () => {
    const line = `E: Failed to fetch ${place.fetchedFrom}Packages.gz  Hash Sum mismatch`;
    assert.equal(errorOf(line).code, "digest-mismatch");
  });

  it("is a server that does not deliver, by the URL that the template knows", () => {
    const refused = `E: Failed to fetch ${place.fetchedFrom}InRelease  Could not connect to 127.0.0.1:1`;
    assert.deepEqual(errorOf("Ign:1 x", refused), {
      code: "download-failed",
      message: "cannot fetch https://pkgs.example.org/deb/InRelease",
    });
    const missing = `E: The repository '${place.fetchedFrom.slice(0, -1)}  Release' does not have a Release file.`;
    assert.equal(errorOf(missing).message, "cannot fetch https://pkgs.example.org/deb");
    assert.equal(errorOf("").message, "cannot fetch the indexes of package repositories");
  });

  it("is shown with the URLs of the repositories", () => {
    assert.equal(canonicalText(`get ${place.fetchedFrom}x`, [place]), "get https://pkgs.example.org/deb/x");
  });
});

describe("what apt says of packages", () => {
  it("names the first that is not there", () => {
    assert.deepEqual(
      missingPackage(said("E: Version '1.31*' for 'kubelet' was not found", "E: Unable to locate package x")),
      {
        name: "kubelet",
        version: "1.31*",
      },
    );
    assert.deepEqual(missingPackage(said("E: Unable to locate package nothing")), {
      name: "nothing",
      version: undefined,
    });
    assert.deepEqual(missingPackage(said("E: Package 'awk' has no installation candidate")), {
      name: "awk",
      version: undefined,
    });
    assert.equal(missingPackage(said("E: Unable to correct problems, you have held broken packages.")), undefined);
  });
});
