import { KvciError, type ErrorCode } from "../core/error.ts";
import type { GcpAnswer } from "./request.ts";

/** What Google answered instead of what was asked for. */
export class GoogleError extends Error {
  override readonly name = "GoogleError";
  readonly status: number;
  /** `notFound`, `quotaExceeded`: the first of the answer's reasons, or its status in words. */
  readonly reason: string;
  readonly requestId: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, facts: Pick<GoogleError, "status" | "reason" | "requestId" | "retryAfterMs">) {
    super(message);
    this.status = facts.status;
    this.reason = facts.reason;
    this.requestId = facts.requestId;
    this.retryAfterMs = facts.retryAfterMs;
  }
}

/** What an error means for whoever made the call. */
export type GcpVerdict =
  | { readonly kind: "again" }
  | { readonly kind: "throttled"; readonly afterMs?: number }
  /** The token is no longer good: a new one may be. */
  | { readonly kind: "renew"; readonly error: KvciError }
  | { readonly kind: "final"; readonly error: KvciError };

interface ErrorBody {
  readonly error?: {
    readonly message?: string;
    readonly status?: string;
    readonly errors?: readonly { readonly reason?: string }[];
    readonly details?: readonly { readonly reason?: string }[];
  };
}

export function googleError({ status, headers, body }: GcpAnswer, text: string): GoogleError {
  const { error = {} } = (body ?? {}) as ErrorBody;
  const requestId = headers.get("x-guploader-uploadid") ?? headers.get("x-request-id") ?? undefined;
  const facts = { status, reason: reasonIn(error), requestId, retryAfterMs: retryAfterMs(headers.get("retry-after")) };
  return new GoogleError(error.message ?? (text.slice(0, 300) || `HTTP ${status}`), facts);
}

function reasonIn({ errors = [], details = [], status = "unknown" }: NonNullable<ErrorBody["error"]>): string {
  return errors[0]?.reason ?? details[0]?.reason ?? status;
}

/** Seconds, or a date. */
function retryAfterMs(value: string | null): number | undefined {
  if (value === null) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) && ms > 0 ? ms : undefined;
}

const THROTTLES = new Set(["rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"]);
const QUOTAS = new Set(["quotaExceeded", "QUOTA_EXCEEDED", "QUOTA_FOR_INSTANCES", "limitExceeded"]);
const SWITCHED_OFF = new Set(["accessNotConfigured", "SERVICE_DISABLED"]);
/** What an organisation's policies say when they forbid something; they come with several statuses. */
const POLICY = /permitted customer|constraints?\/|organization policy|public access prevention|uniform bucket-level/i;
const ON_THE_WAY =
  /ECONN|EPIPE|ETIMEDOUT|EAI_AGAIN|TimeoutError|socket hang up|fetch failed|terminated|other side closed|timeout/i;

/**
 * Tells passing trouble from what would fail again. What is not known is judged by its HTTP status, and never tried again blindly.
 *
 * @param action the permission that allows the call, for the message and its hint.
 */
export function gcpVerdict(error: unknown, action: string): GcpVerdict {
  if (error instanceof KvciError) return { kind: "final", error };
  if (!(error instanceof GoogleError)) return ofTransport(error, action);
  const passing = passingOf(error);
  if (passing) return passing;
  const told = toldOf(error, action);
  return error.status === 401 ? { kind: "renew", error: told } : { kind: "final", error: told };
}

function passingOf({ status, reason, retryAfterMs: afterMs }: GoogleError): GcpVerdict | undefined {
  const isThrottle = status === 429 || THROTTLES.has(reason);
  if (!isThrottle && status < 500 && status !== 408) return undefined;
  if (afterMs !== undefined) return { kind: "throttled", afterMs };
  return { kind: isThrottle ? "throttled" : "again" };
}

function ofTransport(error: unknown, action: string): GcpVerdict {
  const { name, message, cause } = error as Error;
  const inner = cause instanceof Error ? `${cause.message} ${String((cause as { code?: unknown }).code)}` : "";
  if (ON_THE_WAY.test(`${name} ${message} ${inner}`)) return { kind: "again" };
  return {
    kind: "final",
    error: new KvciError("publish-failed", `${action}: ${message}`, { hint: "Report this.", cause: error }),
  };
}

function codeOf({ status, reason, message }: GoogleError): ErrorCode {
  if (POLICY.test(message)) return "publish-blocked";
  if (QUOTAS.has(reason)) return "publish-quota";
  if (status === 401 || status === 403) return "publish-denied";
  return status === 409 || status === 412 ? "publish-conflict" : "publish-failed";
}

function toldOf(error: GoogleError, action: string): KvciError {
  const { status, reason, message, requestId } = error;
  const code = codeOf(error);
  const evidence = [
    `${reason} (HTTP ${status}): ${message}`,
    ...(requestId === undefined ? [] : [`request id ${requestId}`]),
  ];
  return new KvciError(code, `${action}: ${message}`, { hint: hintFor(error, action, code), evidence, cause: error });
}

function hintFor({ status, reason }: GoogleError, action: string, code: ErrorCode): string {
  if (status === 401) return "Renew the application-default credentials, and run the same command again.";
  if (SWITCHED_OFF.has(reason)) {
    return "Switch the API on: `gcloud services enable compute.googleapis.com storage.googleapis.com`.";
  }
  return HINTS[code]?.(action) ?? "Look the reason up in the API's documentation; the request id is for its support.";
}

const HINTS: Readonly<Partial<Record<ErrorCode, (action: string) => string>>> = {
  "publish-denied": (action) => `Allow it: ${minimalRole([action])}`,
  "publish-blocked": () =>
    "A policy of the organisation or of the bucket forbids it; `gcloud org-policies list --project` shows which. Whoever manages it can make an exception.",
  "publish-quota": () => "`kvci-build publish gc` shows what could go; or ask for more under IAM & Admin, Quotas.",
  "publish-conflict": () =>
    "Something else has this name, or changed it meanwhile; look at it, and run the same command again.",
};

/** The command that makes a role of these permissions and nothing else. */
export function minimalRole(permissions: readonly string[]): string {
  return `gcloud iam roles create kvciBuildPublisher --project=PROJECT --permissions=${permissions.join(",")}`;
}

/** An operation that ended with errors. */
export interface OperationFailure {
  readonly code: string;
  readonly message: string;
  readonly status: number;
}

const OPERATION_CODES: Readonly<Record<string, ErrorCode>> = {
  QUOTA_EXCEEDED: "publish-quota",
  RESOURCE_ALREADY_EXISTS: "publish-conflict",
  RESOURCE_IN_USE_BY_ANOTHER_RESOURCE: "publish-conflict",
  PERMISSIONS_ERROR: "publish-denied",
  CONDITION_NOT_MET: "publish-blocked",
};

/** An operation's errors, as a user is told of them; whether another attempt makes sense is the caller's affair. */
export function operationError({ code, message, status }: OperationFailure, action: string): KvciError {
  const told = POLICY.test(message) ? "publish-blocked" : (OPERATION_CODES[code] ?? "publish-failed");
  const hint = HINTS[told]?.(action) ?? "Look the code up in the API's documentation, then run the same command again.";
  return new KvciError(told, `${action}: ${message}`, { hint, evidence: [`${code} (HTTP ${status}): ${message}`] });
}

/** The status behind an error that a user is told of: 412 for a precondition that no longer holds. */
export function statusBehind(error: unknown): number | undefined {
  const cause = error instanceof KvciError ? error.cause : error;
  return cause instanceof GoogleError ? cause.status : undefined;
}
