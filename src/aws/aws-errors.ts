import { KvciError, type ErrorCode } from "../core/error.ts";

/** What of an SDK's error counts. */
export interface AwsFailure {
  /** The service's code, or the name of what went wrong on the way there. */
  readonly code: string;
  /** What EBS says beside the code of an error. */
  readonly reason: string | undefined;
  readonly message: string;
  readonly status: number | undefined;
  readonly requestId: string | undefined;
  readonly retryAfterMs: number | undefined;
}

/** What an error means for whoever made the call. */
export type AwsVerdict =
  | { readonly kind: "again" }
  | { readonly kind: "throttled"; readonly afterMs?: number }
  /** Not there: yet, where it was made a moment ago. */
  | { readonly kind: "absent" }
  | { readonly kind: "final"; readonly error: KvciError };

/** A call, as messages and policies name it. */
export interface AwsCall {
  /** IAM action: `ec2:RegisterImage`. */
  readonly action: string;
  readonly region: string;
}

const THROTTLES = new Set([
  "RequestLimitExceeded",
  "Throttling",
  "ThrottlingException",
  "RequestThrottledException",
  "RequestThrottled",
  "TooManyRequestsException",
  "SlowDown",
  "EC2ThrottledException",
  // Many snapshots are being made or copied at once; it passes when one of them ends.
  "ConcurrentLimitExceededException",
  "ConcurrentSnapshotLimitExceeded",
  "PendingSnapshotLimitExceeded",
]);
const IDENTITY = new Set([
  "ExpiredToken",
  "ExpiredTokenException",
  "RequestExpired",
  "InvalidClientTokenId",
  "UnrecognizedClientException",
  "AuthFailure",
  "SignatureDoesNotMatch",
  "CredentialsProviderError",
  "InvalidAccessKeyId",
]);
const RIGHTS = new Set([
  "AccessDenied",
  "AccessDeniedException",
  "UnauthorizedOperation",
  "Client.UnauthorizedOperation",
]);
const BLOCKS = new Set(["OperationNotPermitted", "OptInRequired", "InvalidAMIAttributeItemValue"]);
const CONFLICTS = new Set([
  "InvalidAMIName.Duplicate",
  "IdempotentParameterMismatch",
  "ConflictException",
  "ParameterAlreadyExists",
]);
const ABSENT = /\.NotFound$|^ResourceNotFoundException$|^ParameterNotFound$|^InvalidAMIID\.Unavailable$/;
const QUOTAS =
  /LimitExceeded$|^ServiceQuotaExceededException$|^ResourceLimitExceeded$|^InstanceLimitExceeded$|^VcpuLimitExceeded$/;
/** 20 copies at once into one region: room comes by itself, other than with limits that only people can move. */
const COPIES = /concurrent|in progress|too many copies/i;
/** Two writers of one block, or one that came too late: the same block again is right. */
const BLOCK_REASONS = new Set(["CONFLICTING_BLOCK_UPDATE", "WRITE_REQUEST_TIMEOUT"]);
const EXPIRED = new Set(["ExpiredToken", "ExpiredTokenException", "RequestExpired"]);
const ON_THE_WAY =
  /ECONNRESET|ECONNREFUSED|ECONNABORTED|EPIPE|ETIMEDOUT|EAI_AGAIN|TimeoutError|NetworkingError|socket hang up|aborted/i;

interface GivenError {
  readonly name?: string;
  readonly Code?: string;
  readonly code?: string;
  readonly message?: string;
  readonly Reason?: string;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

export function awsFailure(error: unknown): AwsFailure {
  const given = error as GivenError;
  const { httpStatusCode: status, requestId } = given.$metadata ?? {};
  return {
    code: given.Code ?? codeOf(given.name, given.code),
    reason: given.Reason,
    message: given.message ?? String(error),
    status,
    requestId,
    retryAfterMs: retryAfterMs(given),
  };
}

function retryAfterMs({ $response }: GivenError): number | undefined {
  const seconds = Number($response?.headers?.["retry-after"]);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
}

/** Node's errors have their meaning in `code`, the SDK's in `name`. */
function codeOf(name: string | undefined, code: string | undefined): string {
  return name === undefined || name === "Error" ? (code ?? name ?? "unknown") : name;
}

/**
 * Tells passing trouble from what would fail again. A code that is not known is judged by its HTTP status, and never tried again
 * blindly.
 */
export function awsVerdict(error: unknown, call: AwsCall): AwsVerdict {
  const failure = awsFailure(error);
  const { code, reason = "", retryAfterMs: afterMs } = failure;
  if (isThrottle(failure)) {
    return { kind: "throttled", ...(afterMs === undefined ? {} : { afterMs }) };
  }
  if (ABSENT.test(code)) return { kind: "absent" };
  if (BLOCK_REASONS.has(reason)) return { kind: "again" };
  const known = finalCode(failure);
  if (known === undefined && isPassing(failure)) return { kind: "again" };
  return { kind: "final", error: awsError(failure, call, known) };
}

function isThrottle({ code, status, message }: AwsFailure): boolean {
  return THROTTLES.has(code) || status === 429 || (code === "ResourceLimitExceeded" && COPIES.test(message));
}

/** Whether credentials that were read anew may help. */
export function isExpired(error: unknown): boolean {
  return EXPIRED.has(awsFailure(error).code);
}

function isPassing({ code, status = 0, message }: AwsFailure): boolean {
  return status >= 500 || ON_THE_WAY.test(`${code} ${message}`);
}

function finalCode({ code, status }: AwsFailure): ErrorCode | undefined {
  if (IDENTITY.has(code) || RIGHTS.has(code)) return "publish-denied";
  if (BLOCKS.has(code)) return "publish-blocked";
  if (CONFLICTS.has(code)) return "publish-conflict";
  if (QUOTAS.test(code)) return "publish-quota";
  return status === 401 || status === 403 ? "publish-denied" : undefined;
}

function awsError(failure: AwsFailure, call: AwsCall, code: ErrorCode = "publish-failed"): KvciError {
  const { message, requestId, status } = failure;
  const where = `${call.action} in ${call.region}`;
  const evidence = [
    `${failure.code}${status === undefined ? "" : ` (HTTP ${String(status)})`}: ${message}`,
    ...(requestId === undefined ? [] : [`request id ${requestId}`]),
  ];
  return new KvciError(code, `${where}: ${message}`, { hint: hintFor(failure, call, code), evidence });
}

function hintFor({ code }: AwsFailure, { action, region }: AwsCall, kind: ErrorCode): string {
  if (IDENTITY.has(code)) {
    return "Renew the credentials (AWS_PROFILE, environment or instance role) and run the same command again.";
  }
  switch (kind) {
    case "publish-denied":
      return `Allow it: ${minimalPolicy([action])}`;
    case "publish-blocked":
      return `A policy of the account forbids it in ${region}: look at block public access and declarative policies there.`;
    case "publish-quota":
      return "`kvci-build publish gc` shows what could go; or ask for more in Service Quotas.";
    case "publish-conflict":
      return "Something else has this name or token; look at it, and publish under another name or release.";
    default:
      return "Look the code up in the service's documentation; the request id is for its support.";
  }
}

/** A policy document that allows these actions and nothing else. */
export function minimalPolicy(actions: readonly string[]): string {
  const statement = { Effect: "Allow", Action: [...actions], Resource: "*" };
  return JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
}
