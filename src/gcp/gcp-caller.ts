import type { KvciError } from "../core/error.ts";
import type { GcpApi } from "./gcp-api.ts";
import { gcpVerdict } from "./gcp-errors.ts";
import type { GcpRequest, GcpSend } from "./request.ts";
import { retrying, type Verdict } from "../publish/retry.ts";

/** All attempts of one call together, long enough for a service to come back. */
const DEADLINE_MS = 5 * 60_000;

export interface RetryPace {
  /** Milliseconds before the second attempt; tests pass less. */
  readonly baseMs: number;
  readonly deadlineMs: number;
}

export const USUAL_PACE: RetryPace = { baseMs: 500, deadlineMs: DEADLINE_MS };

/** The one layer of retries above the API. A token that is refused is replaced once for each call. */
export function retryingSend(api: GcpApi, { baseMs, deadlineMs }: RetryPace = USUAL_PACE): GcpSend {
  return (request, signal) => {
    let renewed = false;
    const classify = (error: unknown): Verdict => {
      const verdict = gcpVerdict(error, request.action);
      if (verdict.kind !== "renew") return verdict;
      if (renewed) return { kind: "final", error: verdict.error };
      renewed = true;
      api.renew();
      return { kind: "again" };
    };
    return retrying(() => api.send(request, signal), { what: nameOf(request), deadlineMs, baseMs, signal, classify });
  };
}

/** Sends once: for calls whose repetition has to be thought about, such as chunks of an upload. */
export function singleSend(api: GcpApi): GcpSend {
  return (request, signal) => api.send(request, signal);
}

/** What is tried, without the address: that of an upload session is a secret. */
function nameOf({ action, method, to }: GcpRequest): string {
  return "session" in to ? `${method} upload session` : `${action} (${method} ${to.path})`;
}

/** How a chunk's failure is judged: a session needs no token, so a refusal is one for good. */
export function judgeChunk(error: unknown): Verdict {
  const verdict = gcpVerdict(error, "storage.objects.create");
  return verdict.kind === "renew" ? { kind: "final", error: verdict.error satisfies KvciError } : verdict;
}
