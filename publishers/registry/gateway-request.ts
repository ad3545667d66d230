import type { IncomingMessage } from "node:http";
import type { RegistryCall } from "./registry-client.ts";

/** Headers that are between two neighbours and not passed on. */
const OWN_HEADERS = new Set(["authorization", "connection", "host", "keep-alive", "transfer-encoding", "user-agent"]);

/** What oras wants; `digest` where it sends a blob. */
export function partsOf({ method, url = "/" }: IncomingMessage): {
  readonly method: RegistryCall["method"];
  readonly path: string;
  readonly digest: string | undefined;
} {
  const digest = new URL(url, "http://gateway").searchParams.get("digest") ?? undefined;
  const isBlob = method === "PUT" && digest !== undefined;
  return { method: method as RegistryCall["method"], path: url, digest: isBlob ? digest : undefined };
}

/** Where the upload itself is. */
export function withoutDigest(path: string): string {
  const url = new URL(path, "http://gateway");
  url.searchParams.delete("digest");
  return url.pathname + url.search;
}

/** For a loop that ends early and leaves the rest to another. */
export function stillOpen(chunks: AsyncGenerator<Buffer, void, undefined>): AsyncIterable<Buffer> {
  return { [Symbol.asyncIterator]: () => ({ next: () => chunks.next() }) };
}

/** A first piece, and those after it. */
export async function* joined(first: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  yield first;
  yield* rest;
}

/** Headers as they go on to the registry. */
export function passedOn({ headers }: IncomingMessage): Record<string, string> {
  const passed = Object.entries(headers).filter(([name]) => !OWN_HEADERS.has(name));
  return Object.fromEntries(
    passed.map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : (value ?? "")]),
  );
}
