import type { Key, PublicKey, VerifyMessageResult } from "openpgp";
import { KvciError, messageOf } from "../core/error.ts";

/** Public keys as they were found, and the full fingerprints of those among them that are trusted. */
export interface TrustedKeys {
  /** ASCII armour or binary; may hold more keys than are trusted. */
  readonly material: readonly (string | Uint8Array)[];
  /** Primary keys' fingerprints: 40 upper-case hexadecimal digits. */
  readonly fingerprints: readonly string[];
}

export interface Verified {
  /** The text that was signed; anything else in the file is not in it. */
  readonly text: string;
  /** Fingerprint of the primary key whose signature holds. */
  readonly fingerprint: string;
}

/**
 * Verifies a clear-signed text, as Fedora's CHECKSUM files are.
 *
 * @param options.now the date at which keys must not be expired or revoked.
 * @throws {KvciError} `signature-invalid` naming the key that signed, and why that does not count.
 */
export async function verifyClearSigned(
  signed: Uint8Array,
  { keys, now }: { readonly keys: TrustedKeys; readonly now: Date },
): Promise<Verified> {
  const { readCleartextMessage, verify } = await import("openpgp");
  const message = await readable("the clear-signed text", () =>
    readCleartextMessage({ cleartextMessage: utf8(signed) }),
  );
  const trusted = await trustedKeys(keys, now);
  const result = await verify({ message, verificationKeys: [...trusted], date: now });
  return { text: result.data, fingerprint: await signerOf(result.signatures, { trusted, keys }) };
}

/**
 * Verifies bytes against a detached signature, armoured or binary, as Ubuntu's SHA256SUMS.gpg is.
 *
 * @throws {KvciError} `signature-invalid`
 */
export async function verifyDetached(
  signed: Uint8Array,
  { signature, keys, now }: { readonly signature: Uint8Array; readonly keys: TrustedKeys; readonly now: Date },
): Promise<Verified> {
  const { createMessage, readSignature, verify } = await import("openpgp");
  const read = await readable("the signature", () =>
    isArmored(signature)
      ? readSignature({ armoredSignature: utf8(signature) })
      : readSignature({ binarySignature: signature }),
  );
  const message = await createMessage({ binary: signed });
  const trusted = await trustedKeys(keys, now);
  const result = await verify({
    message,
    signature: read,
    verificationKeys: [...trusted],
    date: now,
    format: "binary",
  });
  return { text: utf8(signed), fingerprint: await signerOf(result.signatures, { trusted, keys }) };
}

/** The trusted ones among the keys at hand; a key that is expired or revoked by `now` is none. */
async function trustedKeys({ material, fingerprints }: TrustedKeys, now: Date): Promise<readonly PublicKey[]> {
  const { readKeys } = await import("openpgp");
  const found: PublicKey[] = [];
  const refused: string[] = [];
  for (const item of material) {
    const keys = await readable("a public key", () =>
      typeof item === "string" || isArmored(item)
        ? readKeys({ armoredKeys: utf8(item) })
        : readKeys({ binaryKeys: item }),
    );
    for (const key of keys.filter((candidate) => fingerprints.includes(fingerprintOf(candidate)))) {
      const reason = await key.verifyPrimaryKey(now).then(() => undefined, messageOf);
      if (reason === undefined) found.push(key.toPublic());
      else refused.push(`${fingerprintOf(key)}: ${reason}`);
    }
  }
  if (found.length > 0) return found;
  throw invalid(
    refused.length > 0 ? "the trusted key is no longer valid" : "the trusted key is not among the public keys at hand",
    [...refused, ...fingerprints.map((fingerprint) => `trusted: ${fingerprint}`)],
  );
}

async function signerOf(
  results: VerifyMessageResult["signatures"],
  { trusted, keys }: { readonly trusted: readonly PublicKey[]; readonly keys: TrustedKeys },
): Promise<string> {
  const refused: string[] = [];
  for (const { keyID, verified } of results) {
    const signer = trusted.find((key) => key.getKeys(keyID).length > 0);
    const reason = await verified.then(() => undefined, messageOf);
    if (reason === undefined && signer) return fingerprintOf(signer);
    refused.push(
      `signed by ${signer ? fingerprintOf(signer) : `key id ${keyID.toHex().toUpperCase()}`}: ${reason ?? "not a trusted key"}`,
    );
  }
  throw invalid(results.length === 0 ? "there is no signature in it" : "no signature holds", [
    ...refused,
    ...keys.fingerprints.map((fingerprint) => `trusted: ${fingerprint}`),
  ]);
}

function fingerprintOf(key: Key): string {
  return key.getFingerprint().toUpperCase();
}

async function readable<T>(what: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw error instanceof KvciError ? error : invalid(`${what} cannot be read`, [messageOf(error)]);
  }
}

function isArmored(data: Uint8Array): boolean {
  return Buffer.from(data).includes("-----BEGIN PGP ");
}

function utf8(data: string | Uint8Array): string {
  if (typeof data === "string") return data;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(data);
  } catch (error) {
    throw invalid("the text is not UTF-8", [messageOf(error)]);
  }
}

function invalid(reason: string, evidence: readonly string[]): KvciError {
  return new KvciError("signature-invalid", `the signature cannot be trusted: ${reason}`, {
    hint: "Nothing was taken over. Try another mirror; if the distribution has a new key, compare its fingerprint with the distribution's own site and add it as docs/bases.md says.",
    evidence,
  });
}
