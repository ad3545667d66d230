import { AwsFault } from "./aws-fault.ts";
import { serviceOfScope, type Service } from "./aws-model.ts";
import type { Incoming } from "./json-protocol.ts";

/** Who asks what of which service in which region, by the request's signature. */
export interface Scope {
  readonly service: Service;
  readonly region: string;
  /** Twelve digits. */
  readonly account: string;
  /** Of a session, which may expire; empty for keys that do not. */
  readonly token: string;
}

const HEADER =
  /^AWS4-HMAC-SHA256 Credential=(?<key>[^/]+)\/(?<date>\d{8})\/(?<region>[a-z0-9-]+)\/(?<service>[a-z0-9-]+)\/aws4_request, ?SignedHeaders=(?<headers>[a-z0-9;-]+), ?Signature=[0-9a-f]{64}$/;
/** What clocks may differ by. */
const SKEW_MS = 15 * 60_000;

/** The access key of an account here: the account can be read from it. */
export function accessKeyOf(account: string): string {
  return `AKIA${account}`;
}

/**
 * Reads the credential scope. The signature itself is not computed (there is no secret to keep here), but everything around it
 * has to be there: form, date, the headers that have to be signed.
 */
export function readScope({ headers }: Incoming, nowMs: number): Scope {
  const { "x-amz-date": stamp = "", "x-amz-security-token": token = "" } = headers;
  const given = readCredential(headers["authorization"]);
  const service = serviceOfScope(given.service);
  if (service === undefined) throw unsigned(`Credential should be scoped to a known service, not '${given.service}'.`);
  checkDate(stamp, given.date, nowMs);
  checkSigned(given.headers.split(";"), headers);
  const account = /^A[KS]IA(\d{12})$/.exec(given.key)?.[1];
  if (account === undefined) throw new AwsFault(unknownKey(service), "The security token is invalid", { status: 403 });
  return { service, region: given.region, account, token };
}

function readCredential(authorization = ""): Credential {
  const groups = HEADER.exec(authorization)?.groups as Credential | undefined;
  if (groups !== undefined) return groups;
  throw new AwsFault("MissingAuthenticationToken", "Request is missing Authentication Token", { status: 403 });
}

interface Credential {
  readonly key: string;
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly headers: string;
}

function unknownKey(service: Service): string {
  if (service === "ec2") return "AuthFailure";
  return service === "sts" ? "InvalidClientTokenId" : "UnrecognizedClientException";
}

function checkDate(stamp: string, scoped: string, nowMs: number): void {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(stamp) ?? [];
  const at = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(at) || !stamp.startsWith(scoped)) {
    throw unsigned("Date in Credential scope does not match x-amz-date.");
  }
  if (Math.abs(nowMs - at) > SKEW_MS) throw unsigned(`Signature expired: ${stamp} is too far from now.`);
}

function checkSigned(signed: readonly string[], headers: Readonly<Record<string, string>>): void {
  const present = (name: string) => headers[name] !== undefined;
  const needed = ["host", "x-amz-date", ...["x-amz-security-token", "x-amz-checksum"].filter(present)];
  const missing = needed.filter((name) => !signed.includes(name));
  const made = signed.filter((name) => !present(name));
  if (missing.length > 0 || made.length > 0) {
    throw unsigned(`Signed headers: missing ${missing.join(", ")}; not sent ${made.join(", ")}.`);
  }
}

function unsigned(message: string): AwsFault {
  return new AwsFault("SignatureDoesNotMatch", message, { status: 403 });
}
