/** Key pairs of EC2: made there, or public keys brought along. */
import { createHash, generateKeyPairSync } from "node:crypto";
import type {
  CreateKeyPairRequest,
  DeleteKeyPairRequest,
  DescribeKeyPairsRequest,
  ImportKeyPairRequest,
  KeyPair,
  KeyPairInfo,
} from "@aws-sdk/client-ec2";
import { generateKeyPair } from "../../../src/machine/ssh2-machine.ts";
import { AwsFault } from "./aws-fault.ts";
import { newId, type KeyPairRecord } from "./aws-state.ts";
import { filtered, tagsFor, tagsOf, type FilterTable } from "./ec2-answers.ts";
import { record, type Actions, type Context } from "./world.ts";

export const keyPairActions: Actions = {
  CreateKeyPair: create,
  ImportKeyPair: importKey,
  DeleteKeyPair: deleteKey,
  DescribeKeyPairs: describe,
};

const FILTERS: FilterTable<KeyPairRecord> = {
  by: {
    fingerprint: ({ fingerprint }) => [fingerprint],
    "key-name": ({ name }) => [name],
    "key-pair-id": ({ id }) => [id],
  },
  tags: ({ tags }) => tags,
};

function create(input: CreateKeyPairRequest, context: Context): KeyPair {
  const type = input.KeyType ?? "rsa";
  const { publicKey, privateKey } = type === "ed25519" ? generateKeyPair(input.KeyName ?? "") : newRsaKey();
  const kept = keep(
    { type, publicKey, name: input.KeyName ?? "" },
    tagsFor("key-pair", input.TagSpecifications),
    context,
  );
  return { ...heading(kept), KeyMaterial: privateKey };
}

function newRsaKey() {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const { e = "", n = "" } = publicKey.export({ format: "jwk" });
  const parts = [Buffer.from("ssh-rsa"), Buffer.from(e, "base64url"), positive(Buffer.from(n, "base64url"))];
  const blob = Buffer.concat(parts.map(sized)).toString("base64");
  return { publicKey: `ssh-rsa ${blob}`, privateKey: privateKey.export({ format: "pem", type: "pkcs1" }).toString() };
}

/** A first bit that is set would make the number negative. */
function positive(number: Buffer): Buffer {
  return (number[0] ?? 0) < 0x80 ? number : Buffer.concat([Buffer.from([0]), number]);
}

function sized(part: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(part.length);
  return Buffer.concat([length, part]);
}

function importKey(input: ImportKeyPairRequest, context: Context): KeyPairInfo {
  const publicKey = Buffer.from(input.PublicKeyMaterial ?? [])
    .toString("utf8")
    .trim();
  const word = /^(ssh-rsa|ssh-ed25519) [A-Za-z0-9+/=]+( .*)?$/.exec(publicKey)?.[1];
  if (word === undefined) throw new AwsFault("InvalidKey.Format", "Key is not in valid OpenSSH public key format");
  const type = word === "ssh-rsa" ? "rsa" : "ed25519";
  const tags = tagsFor("key-pair", input.TagSpecifications);
  return heading(keep({ type, publicKey, name: input.KeyName ?? "" }, tags, context));
}

function keep(
  key: Pick<KeyPairRecord, "type" | "publicKey" | "name">,
  tags: Map<string, string>,
  context: Context,
): KeyPairRecord {
  const { region, nowMs } = context;
  if ([...region.keyPairs.values()].some(({ name }) => name === key.name)) {
    throw new AwsFault("InvalidKeyPair.Duplicate", `The keypair already exists: ${key.name}`);
  }
  const digest = createHash("sha256").update(Buffer.from(key.publicKey.split(" ")[1] ?? "", "base64"));
  const kept = { ...key, id: newId("key"), fingerprint: digest.digest("base64"), createdMs: nowMs, tags };
  region.keyPairs.set(kept.id, kept);
  record(context, { kind: "key-pair-made", id: kept.id, detail: kept.name });
  return kept;
}

function heading({ id, name, fingerprint, tags }: KeyPairRecord) {
  return { KeyPairId: id, KeyName: name, KeyFingerprint: fingerprint, ...tagsOf(tags) };
}

/** What is not there counts as deleted. */
function deleteKey({ KeyName, KeyPairId }: DeleteKeyPairRequest, context: Context) {
  if (KeyName === undefined && KeyPairId === undefined) {
    throw new AwsFault("MissingParameter", "The request must contain the parameter KeyName or KeyPairId");
  }
  const { keyPairs } = context.region;
  const found = [...keyPairs.values()].find(({ id, name }) => id === KeyPairId || name === KeyName);
  if (found === undefined) return { Return: true };
  keyPairs.delete(found.id);
  record(context, { kind: "key-pair-deleted", id: found.id, detail: found.name });
  return { Return: true, KeyPairId: found.id };
}

function describe(input: DescribeKeyPairsRequest, { region }: Context) {
  const all = [...region.keyPairs.values()];
  const names = new Set(all.flatMap(({ id, name }) => [id, name]));
  const missing = [...(input.KeyNames ?? []), ...(input.KeyPairIds ?? [])].find((each) => !names.has(each));
  if (missing !== undefined) throw noKeyPair(missing);
  const wanted = filtered(all, input.Filters, FILTERS).filter(
    ({ id, name }) => (input.KeyNames?.includes(name) ?? true) && (input.KeyPairIds?.includes(id) ?? true),
  );
  const infos = wanted.map((each) => ({
    ...heading(each),
    KeyType: each.type,
    CreateTime: new Date(each.createdMs),
    ...(input.IncludePublicKey === true ? { PublicKey: each.publicKey } : {}),
  }));
  return { KeyPairs: infos };
}

function noKeyPair(name: string): AwsFault {
  return new AwsFault("InvalidKeyPair.NotFound", `The key pair '${name}' does not exist`);
}

export function keyPairNamed({ region }: Context, name: string | undefined): KeyPairRecord | undefined {
  if (name === undefined) return undefined;
  const found = [...region.keyPairs.values()].find((each) => each.name === name);
  if (found === undefined) throw noKeyPair(name);
  return found;
}
