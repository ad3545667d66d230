import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { Digest } from "../core/digest.ts";
import { KvciError, messageOf } from "../core/error.ts";

export type Algorithm = "sha256" | "sha512";

export function algorithmOf(digest: Digest): Algorithm {
  return digest.startsWith("sha512:") ? "sha512" : "sha256";
}

/** Digest of bytes that come in pieces. */
export async function digestOfPieces(pieces: AsyncIterable<Uint8Array>, algorithm: Algorithm): Promise<Digest> {
  const hash = createHash(algorithm);
  for await (const piece of pieces) hash.update(piece);
  return `${algorithm}:${hash.digest("hex")}`;
}

/**
 * Digest of a file, read in pieces of 1 MiB.
 *
 * @throws {KvciError} `interrupted` on abort, `store-unusable` when the file cannot be read.
 */
export async function digestOfFile(path: string, algorithm: Algorithm, signal: AbortSignal): Promise<Digest> {
  try {
    return await digestOfPieces(createReadStream(path, { highWaterMark: 1024 * 1024, signal }), algorithm);
  } catch (error) {
    if (signal.aborted) {
      throw new KvciError("interrupted", "reading was stopped", { hint: "Run the same command again." });
    }
    throw new KvciError("store-unusable", `cannot read ${path}: ${messageOf(error)}`, {
      hint: "Check that the file is there and may be read.",
      cause: error,
    });
  }
}
