import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { Digest } from "../core/digest.ts";

/** sha256 of a file, read in pieces of 1 MiB. */
export async function digestOfFile(path: string, options: { readonly signal?: AbortSignal } = {}): Promise<Digest> {
  const hash = createHash("sha256");
  const stream = createReadStream(path, { highWaterMark: 1024 * 1024, signal: options.signal });
  for await (const chunk of stream) hash.update(chunk as Buffer);
  return `sha256:${hash.digest("hex")}`;
}
