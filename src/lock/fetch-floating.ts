import { createHash } from "node:crypto";
import { open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { httpGet, isPassing, retryAfterMs } from "../base/http-request.ts";
import { MirrorFailed } from "../base/mirror-failed.ts";
import { shownUrl } from "../base/shown-url.ts";
import { upstreamUrls, type Upstream } from "../base/upstream.ts";
import type { Digest } from "../core/digest.ts";
import { withDisposal } from "../core/disposal.ts";
import { KvciError } from "../core/error.ts";
import { writing } from "../core/file-system-error.ts";
import type { Journal } from "../core/journal.ts";
import type { Store } from "../store/store.ts";

export interface FloatingOptions {
  readonly upstream: Upstream;
  readonly store: Pick<Store, "temporaryFolder" | "adoptBlob" | "hasBlob" | "blobPath">;
  readonly journal: Journal;
  readonly signal: AbortSignal;
  /** Whoever reads the file checks a signature in it, so it may come from anybody. Default: false. */
  readonly signed?: boolean;
  /** A longer file is refused. Default: no limit. */
  readonly limitBytes?: number;
  /** Milliseconds without a byte after which the server counts as stalled. Default 30 s. */
  readonly idleMs?: number;
  /** Milliseconds for the whole file, from all servers. Default: 2 hours. */
  readonly deadlineMs?: number;
  /** Milliseconds before the second attempt; doubles. Default 500. */
  readonly backoffMs?: number;
}

/** A file as it is behind its URL now. */
export interface FloatingFile {
  readonly digest: Digest;
  readonly bytes: number;
  /** In the store, where a build finds it by the digest. */
  readonly path: string;
}

const ATTEMPTS = 3;
/** Longest Retry-After that is waited for. */
const PATIENCE_MS = 60_000;
const DEADLINE_MS = 2 * 3_600_000;

/**
 * Fetches a file whose digest nobody knows yet into the store. Nothing but the connection vouches for the bytes, so the file has to
 * come by HTTPS, unless the environment names the server (a mirror, or its base URL) or the file is signed.
 *
 * @throws {KvciError} `download-failed` with each server's reason, `store-full`, `store-unusable`, `interrupted`.
 */
export async function fetchFloating(url: string, options: FloatingOptions): Promise<FloatingFile> {
  const { signal, deadlineMs = DEADLINE_MS } = options;
  const limited = { ...options, signal: AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]) };
  const reasons: string[] = [];
  for (const source of upstreamUrls(url, options.upstream)) {
    const isTrusted = source !== url || options.signed === true;
    const found = await fetchFrom(source, isTrusted, limited).catch((error: unknown) => {
      if (!(error instanceof MirrorFailed) && !isLate(error, signal)) throw error;
      const reason = error instanceof MirrorFailed ? error.message : `not within ${deadlineMs / 1000} s`;
      reasons.push(`${shownUrl(source)}: ${reason}`);
      options.journal.emit({ type: "mirror-failed", url: shownUrl(source), reason });
      return undefined;
    });
    if (found) return found;
  }
  throw new KvciError("download-failed", `cannot fetch ${shownUrl(url)}`, {
    hint: "Open the URL. Check the network and the proxy, or name a mirror in the environment.",
    evidence: reasons,
  });
}

/** Ended by the deadline, which looks like an abort from inside a request. */
function isLate(error: unknown, signal: AbortSignal): boolean {
  return error instanceof KvciError && error.code === "interrupted" && !signal.aborted;
}

async function fetchFrom(source: string, isTrusted: boolean, options: FloatingOptions): Promise<FloatingFile> {
  if (!isTrusted && !source.startsWith("https:")) {
    throw new MirrorFailed("plain HTTP vouches for nothing", { forGood: true });
  }
  for (let attempt = 1; ; attempt++) {
    try {
      return await fetchOnce(source, options);
    } catch (error) {
      if (!isWorthAsking(error) || attempt === ATTEMPTS) throw error;
      const backoffMs = (options.backoffMs ?? 500) * 2 ** (attempt - 1);
      const waitMs = Math.max(backoffMs, Math.min(error.retryAfterMs, PATIENCE_MS));
      await sleep(waitMs, undefined, { signal: options.signal }).catch(() => undefined);
    }
  }
}

function isWorthAsking(error: unknown): error is MirrorFailed {
  return error instanceof MirrorFailed && !error.forGood;
}

async function fetchOnce(url: string, options: FloatingOptions): Promise<FloatingFile> {
  const { store, signal, idleMs = 30_000 } = options;
  const answer = await httpGet({ url, signal, idleMs });
  try {
    if (answer.status !== 200) {
      const forGood = !isPassing(answer.status);
      const wait = retryAfterMs(answer.headers, new Date());
      throw new MirrorFailed(`HTTP ${answer.status}`, { forGood, retryAfterMs: wait });
    }
    if (url.startsWith("https:") && !answer.url.startsWith("https:")) {
      throw new MirrorFailed("the server redirects to plain HTTP", { forGood: true });
    }
    return await withDisposal(await store.temporaryFolder("lock"), async ({ path }) => {
      const file = join(path, "file");
      const { digest, bytes } = await save(answer.pieces(), file, options.limitBytes ?? Infinity);
      checkLength(answer.headers, bytes);
      const kept = (await store.hasBlob(digest)) ? store.blobPath(digest) : await store.adoptBlob(file, digest);
      return { digest, bytes, path: kept };
    });
  } finally {
    await answer.discard();
  }
}

/** A connection that broke just there is no end of file. */
function checkLength(headers: Pick<Headers, "get" | "has">, bytes: number): void {
  const announced = headers.get("content-length");
  if (announced === null || headers.has("content-encoding") || Number(announced) === bytes) return;
  throw new MirrorFailed(`${bytes} of ${announced} bytes came`);
}

async function save(
  pieces: AsyncIterable<Uint8Array>,
  path: string,
  limitBytes: number,
): Promise<{ readonly digest: Digest; readonly bytes: number }> {
  const hash = createHash("sha256");
  let bytes = 0;
  const file = await writing(path, () => open(path, "wx"));
  try {
    for await (const piece of pieces) {
      bytes += piece.length;
      if (bytes > limitBytes) throw new MirrorFailed(`more than ${limitBytes} bytes`, { forGood: true });
      hash.update(piece);
      await writing(path, () => writeAll(file, piece));
    }
  } finally {
    await file.close();
  }
  return { digest: `sha256:${hash.digest("hex")}`, bytes };
}

async function writeAll(file: FileHandle, piece: Uint8Array): Promise<void> {
  for (let done = 0; done < piece.length;) done += (await file.write(piece, done)).bytesWritten;
}
