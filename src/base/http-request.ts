import { KvciError, messageOf } from "../core/error.ts";
import { egress, type FetchAnswer } from "./http-egress.ts";
import { MirrorFailed } from "./mirror-failed.ts";
import { requestTarget } from "./shown-url.ts";

export interface HttpRequest {
  readonly url: string;
  /** Default: GET. */
  readonly method?: "GET" | "HEAD";
  /** `manual` makes a redirect an answer of its own. Default: `follow`. */
  readonly redirect?: "follow" | "manual";
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Milliseconds without a byte after which the server counts as stalled. */
  readonly idleMs: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: FetchAnswer["headers"];
  /** Where redirects ended. */
  readonly url: string;
  /** The body as it comes; every piece resets the idle deadline. Ends the request when it is left early. */
  pieces(): AsyncGenerator<Uint8Array, void, undefined>;
  /** Drops the connection; for an answer whose body nobody reads. */
  discard(): Promise<void>;
}

/** cloud.centos.org answers 403 to requests that do not say what they are. */
const USER_AGENT = "kvci-build";

/**
 * GET, redirects followed unless told otherwise. Any status is an answer.
 *
 * @throws {MirrorFailed} for everything the network does: no name, no route, TLS, reset, silence for `idleMs`.
 * @throws {KvciError} `interrupted` when `signal` aborts.
 */
export async function httpGet(request: HttpRequest): Promise<HttpAnswer> {
  // Before the clock runs: loading it is no silence of the server.
  const fetch = await egress();
  const stall = new AbortController();
  // A slow disk is not a slow server: while a piece is being worked on, the clock does not count.
  let working = false;
  const idle = setTimeout(() => {
    if (working) idle.refresh();
    else stall.abort();
  }, request.idleMs);
  const explain = (error: unknown): KvciError => explainFailure(error, { request, stalled: stall.signal.aborted });
  const response = await fetch(...sent(request, stall.signal)).catch((error: unknown) => {
    clearTimeout(idle);
    throw explain(error);
  });
  return {
    status: response.status,
    headers: response.headers,
    url: response.url,
    async *pieces() {
      try {
        for await (const piece of (response.body ?? []) as AsyncIterable<Uint8Array>) {
          working = true;
          yield piece;
          working = false;
          idle.refresh();
        }
      } catch (error) {
        throw error instanceof KvciError ? error : explain(error);
      } finally {
        clearTimeout(idle);
      }
    },
    async discard() {
      clearTimeout(idle);
      await response.body?.cancel().catch(() => undefined);
    },
  };
}

function sent(request: HttpRequest, stalled: AbortSignal): Parameters<Awaited<ReturnType<typeof egress>>> {
  const { url, authorization } = requestTarget(request.url);
  // "identity", because a server that compresses on the way changes the bytes whose digest is known.
  const headers = { "user-agent": USER_AGENT, "accept-encoding": "identity", ...request.headers };
  const init = {
    method: request.method ?? "GET",
    redirect: request.redirect ?? "follow",
    headers: authorization === undefined ? headers : { ...headers, authorization },
    signal: AbortSignal.any([request.signal, stalled]),
  };
  return [url, init];
}

function explainFailure(error: unknown, { request, stalled }: { request: HttpRequest; stalled: boolean }): KvciError {
  if (request.signal.aborted) {
    return new KvciError("interrupted", "the download was stopped", {
      hint: "Run the same command again; it goes on where it stopped.",
    });
  }
  if (stalled) return new MirrorFailed(`nothing came for ${String(request.idleMs / 1000)} s`);
  return new MirrorFailed(networkReason(error), { cause: error });
}

/** What TLS says of a certificate that no known authority vouches for. */
const UNKNOWN_AUTHORITY = /SELF_SIGNED_CERT|UNABLE_TO_GET_ISSUER_CERT|UNABLE_TO_VERIFY_LEAF_SIGNATURE|CERT_UNTRUSTED/;

/** `fetch` says "fetch failed" or "terminated" and hides what happened in `cause`, sometimes three deep. */
function networkReason(error: unknown): string {
  const cause = innermost(error);
  const said = messageOf(cause) || messageOf(error);
  const unknown = cause instanceof Error && "code" in cause && UNKNOWN_AUTHORITY.test(String(cause.code));
  return unknown ? `${said}: name its authority in the environment's caCertificates` : said;
}

function innermost(error: unknown): unknown {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors[0];
  return error instanceof Error && error.cause instanceof Error ? innermost(error.cause) : error;
}

/** Answers worth asking again: timeouts, too early, too many, and whatever a server calls its own fault. */
export function isPassing(status: number): boolean {
  return [408, 425, 429].includes(status) || status >= 500;
}

/** Retry-After in milliseconds, from seconds or a date; 0 without one. */
export function retryAfterMs(headers: Pick<Headers, "get">, now: Date): number {
  const value = headers.get("retry-after");
  if (value === null) return 0;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? 0 : Math.max(0, at - now.getTime());
}
