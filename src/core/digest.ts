import { createHash } from "node:crypto";
import { canonicalJson } from "./canonical-json.ts";

/** A content digest as OCI writes it: `sha256:` and 64 lower-case hexadecimal digits (or `sha512:` and 128). */
export type Digest = `sha256:${string}` | `sha512:${string}`;

const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** sha256 of bytes, or of a text's UTF-8. */
export function sha256(data: string | Uint8Array): Digest {
  return `sha256:${createHash("sha256").update(data).digest("hex")}`;
}

/** sha256 of the canonical JSON of a value: equal values have equal digests, whatever order their keys were written in. */
export function digestOfValue(value: unknown): Digest {
  return sha256(canonicalJson(value));
}

/** The first 12 digits: enough for a person to tell two digests apart, as Docker and git print them. */
export function shortDigest(digest: string): string {
  return digest.replace(/^sha(?:256|512):/, "").slice(0, 12);
}
