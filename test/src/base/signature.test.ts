import assert from "node:assert/strict";
import * as openpgp from "openpgp";
import { verifyClearSigned, verifyDetached, type TrustedKeys } from "../../../src/base/signature.ts";
import { KvciError } from "../../../src/core/error.ts";

const MADE = new Date("2026-01-01T00:00:00Z");
const NOW = new Date("2026-02-01T00:00:00Z");
const TEXT = "# disk: 3 bytes\n- dashed\nSHA256 (disk) = abc\n";

interface TestKey {
  readonly key: openpgp.PrivateKey;
  readonly revocation: string;
  readonly trusted: TrustedKeys;
}

async function makeKey(options: { readonly seconds?: number } = {}): Promise<TestKey> {
  const { privateKey, revocationCertificate } = await openpgp.generateKey({
    type: "ecc",
    curve: "ed25519Legacy",
    userIDs: [{ name: "Test", email: "test@example.org" }],
    date: MADE,
    format: "object",
    ...(options.seconds === undefined ? {} : { keyExpirationTime: options.seconds }),
  });
  return { key: privateKey, revocation: revocationCertificate, trusted: trust(privateKey) };
}

/** A key that signs with SHA-1: the library only does that when the key itself prefers it. */
async function makeWeakKey(): Promise<Pick<TestKey, "key" | "trusted">> {
  const userIDs = [{ name: "Weak", email: "weak@example.org" }];
  const { privateKey } = await openpgp.generateKey({
    type: "rsa",
    rsaBits: 2048,
    userIDs,
    date: MADE,
    format: "object",
  });
  const certification = privateKey.users[0]?.selfCertifications[0];
  assert.ok(certification);
  certification.preferredHashAlgorithms = [openpgp.enums.hash.sha1];
  return { key: privateKey, trusted: trust(privateKey) };
}

function trust(key: openpgp.Key): TrustedKeys {
  return { material: [key.toPublic().armor()], fingerprints: [key.getFingerprint().toUpperCase()] };
}

async function clearSign(keys: readonly openpgp.PrivateKey[], hash?: openpgp.enums.hash, text = TEXT): Promise<Buffer> {
  const message = await openpgp.createCleartextMessage({ text });
  const config =
    hash === undefined ? {} : { preferredHashAlgorithm: hash, nonDeterministicSignaturesViaNotation: false };
  return Buffer.from(await openpgp.sign({ message, signingKeys: [...keys], date: MADE, config }));
}

async function detach(key: openpgp.PrivateKey, armored: boolean): Promise<Uint8Array> {
  const message = await openpgp.createMessage({ binary: Buffer.from(TEXT) });
  const options = { message, signingKeys: key, detached: true, date: MADE } as const;
  if (armored) return Buffer.from(await openpgp.sign(options));
  const signature: unknown = await openpgp.sign({ ...options, format: "binary" });
  assert.ok(signature instanceof Uint8Array);
  return signature;
}

async function refusal(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof KvciError, `not refused with a KvciError: ${String(error)}`);
  assert.equal(error.code, "signature-invalid");
  return [error.message, ...error.evidence].join("\n");
}

describe("signature", () => {
  let known: TestKey;
  let stranger: TestKey;

  before(async () => {
    [known, stranger] = await Promise.all([makeKey(), makeKey()]);
  });

  const fingerprint = (): string => known.trusted.fingerprints[0] ?? "";

  it("of a clear-signed text holds, and gives the text that was signed", async () => {
    const verified = await verifyClearSigned(await clearSign([known.key]), { keys: known.trusted, now: NOW });
    assert.deepEqual(verified, { text: TEXT, fingerprint: fingerprint() });
  });

  it("gives nothing of what stands before and after the armour", async () => {
    const signed = Buffer.from(`SHA256 (evil) = 1\n${String(await clearSign([known.key]))}\nSHA256 (evil) = 2\n`);
    const outcome = await verifyClearSigned(signed, { keys: known.trusted, now: NOW }).then(
      ({ text }) => text,
      () => TEXT,
    );
    assert.equal(outcome, TEXT);
  });

  it("of a tampered text is refused", async () => {
    const signed = String(await clearSign([known.key])).replace("= abc", "= abd");
    assert.match(
      await refusal(verifyClearSigned(Buffer.from(signed), { keys: known.trusted, now: NOW })),
      /digest did not match/i,
    );
  });

  it("by an unknown key is refused and names its key id", async () => {
    const seen = await refusal(verifyClearSigned(await clearSign([stranger.key]), { keys: known.trusted, now: NOW }));
    assert.match(seen, new RegExp(`signed by key id ${stranger.key.getKeyID().toHex().toUpperCase()}`));
    assert.match(seen, new RegExp(`trusted: ${fingerprint()}`));
  });

  it("by a key that is at hand but not pinned is refused", async () => {
    const keys = {
      material: [...stranger.trusted.material, ...known.trusted.material],
      fingerprints: known.trusted.fingerprints,
    };
    await refusal(verifyClearSigned(await clearSign([stranger.key]), { keys, now: NOW }));
  });

  it("by a pinned key that is not at hand is refused", async () => {
    const keys = { material: stranger.trusted.material, fingerprints: known.trusted.fingerprints };
    assert.match(
      await refusal(verifyClearSigned(await clearSign([known.key]), { keys, now: NOW })),
      /not among the public keys/,
    );
  });

  it("of several holds when one is by the trusted key", async () => {
    const signed = await clearSign([stranger.key, known.key]);
    assert.equal((await verifyClearSigned(signed, { keys: known.trusted, now: NOW })).fingerprint, fingerprint());
  });

  it("with SHA-1 is refused", async () => {
    const weak = await makeWeakKey();
    const signed = await clearSign([weak.key], openpgp.enums.hash.sha1);
    assert.match(String(signed), /Hash: SHA1/);
    assert.match(
      await refusal(verifyClearSigned(signed, { keys: weak.trusted, now: NOW })),
      /insecure message hash algorithm: sha1/i,
    );
  });

  it("by a key that has expired is refused", async () => {
    const expired = await makeKey({ seconds: 86_400 });
    const signed = await clearSign([expired.key]);
    assert.match(
      await refusal(verifyClearSigned(signed, { keys: expired.trusted, now: NOW })),
      /no longer valid[^]*expired/,
    );
  });

  it("by a revoked key is refused", async () => {
    const signed = await clearSign([known.key]);
    const { publicKey } = await openpgp.revokeKey({
      key: known.key.toPublic(),
      revocationCertificate: known.revocation,
      date: NOW,
      format: "object",
    });
    assert.match(
      await refusal(verifyClearSigned(signed, { keys: trust(publicKey), now: NOW })),
      /no longer valid[^]*revoked/,
    );
  });

  it("made in the future is refused", async () => {
    const before = new Date(MADE.getTime() - 86_400_000);
    await refusal(verifyClearSigned(await clearSign([known.key]), { keys: known.trusted, now: before }));
  });

  for (const what of ["", "no armour at all", "-----BEGIN PGP SIGNED MESSAGE-----\n", "\xff\xfe"]) {
    it(`in ${JSON.stringify(what)} cannot be read`, async () => {
      await refusal(verifyClearSigned(Buffer.from(what, "latin1"), { keys: known.trusted, now: NOW }));
    });
  }

  for (const armored of [true, false]) {
    it(`beside its file holds, ${armored ? "armoured" : "binary"}`, async () => {
      const signature = await detach(known.key, armored);
      const verified = await verifyDetached(Buffer.from(TEXT), { signature, keys: known.trusted, now: NOW });
      assert.deepEqual(verified, { text: TEXT, fingerprint: fingerprint() });
    });
  }

  it("beside a tampered file is refused", async () => {
    const signature = await detach(known.key, true);
    await refusal(verifyDetached(Buffer.from(`${TEXT} `), { signature, keys: known.trusted, now: NOW }));
  });

  it("beside a file, by an unknown key, is refused", async () => {
    const signature = await detach(stranger.key, true);
    await refusal(verifyDetached(Buffer.from(TEXT), { signature, keys: known.trusted, now: NOW }));
  });

  it("beside a file that is no signature is refused", async () => {
    await refusal(
      verifyDetached(Buffer.from(TEXT), { signature: Buffer.from("<html>"), keys: known.trusted, now: NOW }),
    );
  });

  it("is checked with a keyring in binary form as well", async () => {
    const keys = { material: [known.key.toPublic().write()], fingerprints: known.trusted.fingerprints };
    await verifyClearSigned(await clearSign([known.key]), { keys, now: NOW });
  });
});
