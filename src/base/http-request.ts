import { KvciError, messageOf } from "../core/error.ts";
import { MirrorFailed } from "./mirror-failed.ts";
import { requestTarget } from "./shown-url.ts";

export interface HttpRequest {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Milliseconds without a byte after which the server counts as stalled. */
  readonly idleMs: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
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
 * GET, redirects followed. Any status is an answer.
 *
 * @throws {MirrorFailed} for everything the network does: no name, no route, TLS, reset, silence for `idleMs`.
 * @throws {KvciError} `interrupted` when `signal` aborts.
 */
export async function httpGet(request: HttpRequest): Promise<HttpAnswer> {
  const stall = new AbortController();
  // A slow disk is not a slow server: while a piece is being worked on, the clock does not count.
  let working = false;
  const idle = setTimeout(() => {
    if (working) idle.refresh();
    else stall.abort();
  }, request.idleMs);
  const explain = (error: unknown): KvciError => explainFailure(error, { request, stalled: stall.signal.aborted });
  const response = await send(request, stall.signal).catch((error: unknown) => {
    clearTimeout(idle);
    throw explain(error);
  });
  return {
    status: response.status,
    headers: response.headers,
    url: response.url,
    async *pieces() {
      try {
        // Node's body iterates; the DOM's type of it does not say so.
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

function send(request: HttpRequest, stalled: AbortSignal): Promise<Response> {
  const { url, authorization } = requestTarget(request.url);
  // "identity", because a server that compresses on the way changes the bytes whose digest is known.
  const headers = { "user-agent": USER_AGENT, "accept-encoding": "identity", ...request.headers };
  return fetch(url, {
    headers: authorization === undefined ? headers : { ...headers, authorization },
    signal: AbortSignal.any([request.signal, stalled]),
  });
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

/** `fetch` says "fetch failed" or "terminated" and hides what happened in `cause`, sometimes two deep. */
function networkReason(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof AggregateError && cause.errors.length > 0) return messageOf(cause.errors[0]);
  return cause instanceof Error ? cause.message || messageOf(error) : messageOf(error);
}

/** Answers worth asking again: timeouts, too early, too many, and whatever a server calls its own fault. */
export function isPassing(status: number): boolean {
  return [408, 425, 429].includes(status) || status >= 500;
}

/** Retry-After in milliseconds, from seconds or a date; 0 without one. */
export function retryAfterMs(headers: Headers, now: Date): number {
  const value = headers.get("retry-after");
  if (value === null) return 0;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? 0 : Math.max(0, at - now.getTime());
}
