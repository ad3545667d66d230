import type { Service } from "./aws-model.ts";

/** Which calls a fault hits: all that match, after the first `after`, for `times` (once, if it does not say). */
export interface FaultRule {
  readonly kind: FaultKind;
  readonly service?: Service;
  readonly action?: string;
  readonly region?: string;
  readonly after?: number;
  readonly times?: number | "always";
  /** For `error`, or instead of what the kind answers. */
  readonly code?: string;
  readonly message?: string;
  readonly status?: number;
  /** `Reason` of an EBS direct error. */
  readonly reason?: string;
  readonly retryAfterSeconds?: number;
  /** For `slow` and `slow-reply`. */
  readonly delayMs?: number;
}

/**
 * - `throttle`: too many requests, in the words of the service; nothing is done.
 * - `unavailable`: 5xx before anything is done.
 * - `error`: the code and status of the rule; nothing is done.
 * - `lost-reply`: done, then the connection is cut.
 * - `failed-reply`: done, then 500 is answered.
 * - `reset`: the connection is cut; nothing is done. With `times: "always"` and a region, that region is down.
 * - `expired`: from this call on, credentials are refused as expired.
 * - `corrupt`: a byte of the block changes on its way: to us before its checksum is looked at, or from us.
 * - `slow`, `slow-reply`: waits before, or after, it is done.
 */
export type FaultKind =
  | "throttle"
  | "unavailable"
  | "error"
  | "lost-reply"
  | "failed-reply"
  | "reset"
  | "expired"
  | "corrupt"
  | "slow"
  | "slow-reply";

export interface Faults {
  add(...rules: readonly FaultRule[]): void;
  clear(): void;
  /** How often each rule hit, in the order they were added. */
  readonly hits: readonly number[];
  /** The rules that hit this call; counts it for all that match. */
  hitting(call: { readonly service: Service; readonly action: string; readonly region: string }): readonly FaultRule[];
}

export type FaultPlan = readonly FaultRule[];

export function faultsOf(plan: FaultPlan): Faults {
  let entries = plan.map((rule) => ({ rule, seen: 0, hits: 0 }));
  return {
    add: (...rules) => void entries.push(...rules.map((rule) => ({ rule, seen: 0, hits: 0 }))),
    clear: () => void (entries = []),
    get hits() {
      return entries.map(({ hits }) => hits);
    },
    hitting: (call) => {
      const matching = entries.filter(({ rule }) => matches(rule, call));
      for (const entry of matching) entry.seen++;
      const hit = matching.filter(
        ({ rule: { after = 0, times = 1 }, seen, hits }) => seen > after && (times === "always" || hits < times),
      );
      for (const entry of hit) entry.hits++;
      return hit.map(({ rule }) => rule);
    },
  };
}

function matches(
  { service, action, region }: FaultRule,
  call: { readonly service: Service; readonly action: string; readonly region: string },
): boolean {
  return (
    (service ?? call.service) === call.service &&
    (action ?? call.action) === call.action &&
    (region ?? call.region) === call.region
  );
}
