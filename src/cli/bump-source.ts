import { httpFiles } from "../base/http-file.ts";
import { MirrorFailed } from "../base/mirror-failed.ts";
import { shownUrl } from "../base/shown-url.ts";
import { upstreamUrls, type Upstream } from "../base/upstream.ts";
import { KvciError } from "../core/error.ts";
import type { ReleaseSource } from "./bump-releases.ts";

/** For one small file from all servers that may have it. */
const DEADLINE_MS = 3 * 60_000;

/** Reads what says which releases there are, from where the environment says. */
export function releaseSource(upstream: Upstream, options: SourceOptions): ReleaseSource {
  return { read: (url) => readFirst(url, upstreamUrls(url, upstream), options) };
}

export interface SourceOptions {
  readonly signal: AbortSignal;
  /** Milliseconds for one file, from all servers. Default: 3 minutes. */
  readonly deadlineMs?: number;
  /** Milliseconds before the second attempt; doubles. Default 500. */
  readonly backoffMs?: number;
}

async function readFirst(url: string, servers: readonly string[], options: SourceOptions): Promise<string | undefined> {
  const { signal, deadlineMs = DEADLINE_MS, backoffMs = 500 } = options;
  const deadline = AbortSignal.timeout(deadlineMs);
  const read = httpFiles({ signal: AbortSignal.any([signal, deadline]), backoffMs });
  const failures: KvciError[] = [];
  for (const server of servers) {
    try {
      return Buffer.from(await read(server)).toString("utf8");
    } catch (error) {
      signal.throwIfAborted();
      failures.push(deadline.aborted ? late(url, deadlineMs) : ofServer(error));
    }
  }
  const failure = failures.find((each) => !isMissing(each));
  if (failure) throw failure;
  return undefined;
}

/** @throws what is not about one server. */
function ofServer(error: unknown): KvciError {
  if (error instanceof KvciError && error.code === "download-failed") return error;
  throw error;
}

/** A server that answers and does not have the file. */
function isMissing({ cause }: KvciError): boolean {
  return cause instanceof MirrorFailed && cause.message === "HTTP 404";
}

function late(url: string, deadlineMs: number): KvciError {
  return new KvciError("download-failed", `cannot read ${shownUrl(url)}: not within ${String(deadlineMs / 1000)} s`, {
    hint: "Check the network and the proxy, or add a mirror to the environment.",
  });
}
