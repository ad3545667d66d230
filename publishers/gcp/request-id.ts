import { createHash } from "node:crypto";
import { canonicalJson } from "../../src/core/canonical-json.ts";

/** Ours alone: ids of the same things under it are the same everywhere. */
const NAMESPACE = "5f0c6a52-0d1c-5c7e-9a56-7c1d8a1f0b3e";

/** A UUID of version 5 (RFC 9562): the same for the same value, so that a call made twice is one call. */
export function requestIdOf(value: unknown): string {
  const hash = createHash("sha1")
    .update(Buffer.from(NAMESPACE.replaceAll("-", ""), "hex"))
    .update(canonicalJson(value));
  const bytes = hash.digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
