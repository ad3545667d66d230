import { KvciError, messageOf } from "../core/error.ts";

/** The error of a compressed image that cannot be unpacked. `cause` is an error, or what is wrong. */
export function unpackFailure(source: string, cause: unknown): KvciError {
  return new KvciError("base-failed", `cannot unpack ${source}: ${messageOf(cause)}`, {
    hint: "The digest was right, so the file is what its publisher made: ask them, or use another image.",
    evidence: cause instanceof KvciError ? cause.evidence : [],
    cause,
  });
}
