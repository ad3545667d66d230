/** An error as Google answers it. */
export class GcpFault extends Error {
  override readonly name = "GcpFault";
  readonly status: number;
  readonly reason: string;
  readonly retryAfterSeconds: number | undefined;

  constructor(
    status: number,
    reason: string,
    told: string | { readonly message: string; readonly retryAfterSeconds: number | undefined },
  ) {
    super(typeof told === "string" ? told : told.message);
    this.status = status;
    this.reason = reason;
    this.retryAfterSeconds = typeof told === "string" ? undefined : told.retryAfterSeconds;
  }

  body(): string {
    const { status: code, reason, message } = this;
    return JSON.stringify({ error: { code, message, errors: [{ message, domain: "global", reason }] } });
  }
}

export function notFound(what: string): GcpFault {
  return new GcpFault(404, "notFound", `The resource '${what}' was not found`);
}

export function invalid(message: string): GcpFault {
  return new GcpFault(400, "invalid", message);
}

/** Which calls a fault hits: all that match, after the first `after`, for `times` (once, if it does not say). */
export interface FaultRule {
  readonly kind: FaultKind;
  /** Name of the call, `images.insert`, `storage.sessions.put`; the start of one is enough. */
  readonly call?: string;
  readonly after?: number;
  readonly times?: number | "always";
  readonly status?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly retryAfterSeconds?: number;
  readonly delayMs?: number;
}

/**
 * - `error`: the rule's status and reason, 503 if it has none; nothing is done.
 * - `throttle`: 429; nothing is done.
 * - `reset`: the connection is cut; nothing is done.
 * - `lost-reply`: done, then the connection is cut.
 * - `expired`: from this call on, tokens given so far are refused.
 * - `operation-error`: the operation ends with the rule's reason and message; nothing is made.
 * - `half-chunk`: half of a chunk is kept, then 503 is answered.
 * - `part-chunk`: half of a chunk is kept and acknowledged.
 * - `cut-chunk`: the connection is cut in the middle of a chunk.
 * - `refuse-chunk`: a chunk is acknowledged without anything of it being kept.
 * - `session-gone`: the session is forgotten.
 * - `corrupt`: a byte of the chunk changes on its way.
 * - `slow`: waits before it is done.
 */
export type FaultKind =
  | "error"
  | "throttle"
  | "reset"
  | "lost-reply"
  | "expired"
  | "operation-error"
  | "half-chunk"
  | "part-chunk"
  | "cut-chunk"
  | "refuse-chunk"
  | "session-gone"
  | "corrupt"
  | "slow";

export interface Faults {
  add(...rules: readonly FaultRule[]): void;
  clear(): void;
  /** How often each rule hit, in the order they were added. */
  readonly hits: readonly number[];
  /** The rules that hit this call; counts it for all that match. */
  hitting(call: string): readonly FaultRule[];
}

export function faultsOf(plan: readonly FaultRule[]): Faults {
  const entryOf = (rule: FaultRule) => ({ rule, seen: 0, hits: 0 });
  let entries = plan.map(entryOf);
  return {
    add: (...rules) => void entries.push(...rules.map(entryOf)),
    clear: () => void (entries = []),
    get hits() {
      return entries.map(({ hits }) => hits);
    },
    hitting: (call) => {
      const matching = entries.filter(({ rule }) => call.startsWith(rule.call ?? ""));
      for (const entry of matching) entry.seen += 1;
      const hit = matching.filter(
        ({ rule: { after = 0, times = 1 }, seen, hits }) => seen > after && (times === "always" || hits < times),
      );
      for (const entry of hit) entry.hits += 1;
      return hit.map(({ rule }) => rule);
    },
  };
}
