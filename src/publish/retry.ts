import { setTimeout as sleep } from "node:timers/promises";
import { KvciError } from "../core/error.ts";

/** What an error means for whoever could try again. */
export type Verdict =
  /** Passing trouble: again after a while. */
  | { readonly kind: "again" }
  /** The service asks to slow down; `afterMs` where it says for how long. */
  | { readonly kind: "throttled"; readonly afterMs?: number }
  /** Trying again would give the same answer: `error` is what the user is told. */
  | { readonly kind: "final"; readonly error: unknown };

export interface RetryOptions {
  /** What is tried, for the message: "describe snap-1". */
  readonly what: string;
  /** Milliseconds for all attempts together. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  readonly classify: (error: unknown) => Verdict;
  /** Milliseconds before the second attempt, on average; doubles up to `longestMs`. */
  readonly baseMs?: number;
  readonly longestMs?: number;
  readonly onRetry?: (retry: {
    readonly attempt: number;
    readonly waitMs: number;
    readonly throttled: boolean;
  }) => void;
  /** 0 up to 1. Tests pass their own. */
  readonly random?: () => number;
}

/**
 * The one layer of retries: exponential, with full jitter, for as long as the deadline allows; a server's own Retry-After is waited
 * for in full.
 *
 * @throws {KvciError} `publish-throttled` or `publish-failed` past the deadline with the last error as cause; `interrupted`; what
 *   `classify` calls final.
 */
export async function retrying<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { deadlineMs, signal, classify } = options;
  const end = performance.now() + deadlineMs;
  for (let attempt = 1; ; attempt += 1) {
    try {
      signal.throwIfAborted();
      return await work();
    } catch (error) {
      if (signal.aborted) throw stopped(options.what);
      const verdict = classify(error);
      if (verdict.kind === "final") throw verdict.error;
      const waitMs = waitOf(verdict, attempt, options);
      if (performance.now() + waitMs > end) throw exhausted(verdict, { attempt, error, options });
      options.onRetry?.({ attempt, waitMs, throttled: verdict.kind === "throttled" });
      await sleep(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

function waitOf(
  verdict: Exclude<Verdict, { kind: "final" }>,
  attempt: number,
  { baseMs = 500, longestMs = 20_000, random = Math.random }: RetryOptions,
): number {
  const jittered = random() * Math.min(longestMs, 2 * baseMs * 2 ** (attempt - 1));
  const asked = verdict.kind === "throttled" ? (verdict.afterMs ?? 0) : 0;
  return Math.max(asked, jittered);
}

function exhausted(
  { kind }: Verdict,
  { attempt, error, options }: { readonly attempt: number; readonly error: unknown; readonly options: RetryOptions },
): KvciError {
  const tries = attempt === 1 ? "once" : `${String(attempt)} times`;
  const limit = `${String(Math.round(options.deadlineMs / 1000))} s`;
  const last = error instanceof Error ? error.message : String(error);
  if (kind === "throttled") {
    return new KvciError("publish-throttled", `${options.what}: asked to slow down until the deadline of ${limit}`, {
      hint: "Run the same command again later; it goes on where it stopped.",
      evidence: [`tried ${tries}`, last],
      cause: error,
    });
  }
  return new KvciError("publish-failed", `${options.what}: failed until the deadline of ${limit}`, {
    hint: "See the service's status page, then run the same command again; it goes on where it stopped.",
    evidence: [`tried ${tries}`, last],
    cause: error,
  });
}

function stopped(what: string): KvciError {
  return new KvciError("interrupted", `${what}: stopped`, {
    hint: "Run the same command again; it goes on where it stopped.",
  });
}
