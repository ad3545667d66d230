import { KvciError } from "../core/error.ts";

/**
 * One mirror did not deliver. The download branches on it: it goes on with the next mirror, and comes back to this one
 * unless the failure is for good.
 */
export class MirrorFailed extends KvciError {
  override readonly name = "MirrorFailed";
  /** Asking again would give the same answer: 404, 403, a file that was wrong. */
  readonly forGood: boolean;
  /** What the server's Retry-After asks for, in milliseconds. */
  readonly retryAfterMs: number;
  /** The server tells another length than the bytes so far were fetched under. */
  readonly otherLength: boolean;

  constructor(
    reason: string,
    details: {
      readonly forGood?: boolean;
      readonly retryAfterMs?: number;
      readonly otherLength?: boolean;
      readonly cause?: unknown;
    } = {},
  ) {
    super("download-failed", reason, { hint: "Try another mirror.", cause: details.cause });
    this.forGood = details.forGood ?? false;
    this.retryAfterMs = details.retryAfterMs ?? 0;
    this.otherLength = details.otherLength ?? false;
  }
}
