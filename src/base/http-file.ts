import { setTimeout as sleep } from "node:timers/promises";
import { KvciError } from "../core/error.ts";
import { httpGet, isPassing } from "./http-request.ts";
import { MirrorFailed } from "./mirror-failed.ts";
import { shownUrl } from "./shown-url.ts";

export interface FetchOptions {
  readonly signal: AbortSignal;
  /** Milliseconds without a byte after which the server counts as stalled. Default 30 s. */
  readonly idleMs?: number;
  /** Milliseconds before the second attempt; doubles. Default 500. */
  readonly backoffMs?: number;
}

/** Checksum files and listings are below 1 MiB (CentOS, with all dates); more is something else. */
const LIMIT_BYTES = 8 * 1024 * 1024;
const ATTEMPTS = 3;

/** Reads a small file: a listing, a checksum file, a signature. */
export type FetchFile = (url: string) => Promise<Uint8Array>;

/**
 * A reader of small files over HTTP. What it reads may be unsigned, so it does not follow from https to http.
 *
 * @returns a function that throws KvciError `download-failed` or `interrupted`.
 */
export function httpFiles(options: FetchOptions): FetchFile {
  return async (url) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await fetchOnce(url, options);
      } catch (error) {
        if (!(error instanceof MirrorFailed)) throw error;
        if (error.forGood || attempt === ATTEMPTS) throw unreadable(url, error);
        const waitMs = (options.backoffMs ?? 500) * 2 ** (attempt - 1);
        await sleep(waitMs, undefined, { signal: options.signal }).catch(() => undefined);
      }
    }
  };
}

async function fetchOnce(url: string, { signal, idleMs = 30_000 }: FetchOptions): Promise<Uint8Array> {
  const answer = await httpGet({ url, signal, idleMs });
  try {
    if (answer.status !== 200) {
      throw new MirrorFailed(`HTTP ${String(answer.status)}`, { forGood: !isPassing(answer.status) });
    }
    if (url.startsWith("https:") && !answer.url.startsWith("https:")) {
      throw new MirrorFailed("the server redirects to plain HTTP", { forGood: true });
    }
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of answer.pieces()) {
      bytes += piece.length;
      if (bytes > LIMIT_BYTES) throw new MirrorFailed(`more than ${String(LIMIT_BYTES)} bytes`, { forGood: true });
      pieces.push(piece);
    }
    return Buffer.concat(pieces);
  } finally {
    await answer.discard();
  }
}

function unreadable(url: string, reason: MirrorFailed): KvciError {
  return new KvciError("download-failed", `cannot read ${shownUrl(url)}: ${reason.message}`, {
    hint: "Check the network and the proxy (HTTPS_PROXY, or the environment's), or add a mirror to the environment.",
    cause: reason,
  });
}
