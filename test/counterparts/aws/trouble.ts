/** Errors that have nothing to do with what is asked, each in the words of the service that is asked. */
import { AwsFault } from "./aws-fault.ts";
import type { Service } from "./aws-model.ts";
import type { FaultRule } from "./fault-plan.ts";

type Words = readonly [code: string, status: number, message: string];

const THROTTLED: Readonly<Record<Service, Words>> = {
  ec2: ["RequestLimitExceeded", 503, "Request limit exceeded."],
  ebs: ["RequestThrottledException", 400, "The number of API requests has exceeded the maximum allowed."],
  sts: ["Throttling", 400, "Rate exceeded"],
  ssm: ["ThrottlingException", 400, "Rate exceeded"],
  "service-quotas": ["TooManyRequestsException", 400, "Due to throttling, the request was denied."],
};

const BROKEN: Readonly<Record<Service, Words>> = {
  ec2: ["InternalError", 500, "An internal error has occurred"],
  ebs: ["InternalServerException", 500, "An internal error has occurred."],
  sts: ["InternalFailure", 500, "An internal error has occurred"],
  ssm: ["InternalServerError", 500, "An error occurred on the server side."],
  "service-quotas": ["ServiceException", 500, "Something went wrong."],
};

const EXPIRED: Readonly<Record<Service, Words>> = {
  ec2: ["RequestExpired", 400, "Request has expired."],
  ebs: ["ExpiredTokenException", 403, "The security token included in the request is expired"],
  sts: ["ExpiredToken", 403, "The security token included in the request is expired"],
  ssm: ["ExpiredTokenException", 400, "The security token included in the request is expired"],
  "service-quotas": ["ExpiredTokenException", 400, "The security token included in the request is expired"],
};

/** In a region that the account has not opted in to, its credentials are not known. */
const STRANGER: Readonly<Record<Service, Words>> = {
  ec2: ["AuthFailure", 401, "AWS was not able to validate the provided access credentials"],
  ebs: ["UnrecognizedClientException", 403, "The security token included in the request is invalid."],
  sts: ["InvalidClientTokenId", 403, "The security token included in the request is invalid"],
  ssm: ["UnrecognizedClientException", 400, "The security token included in the request is invalid."],
  "service-quotas": ["UnrecognizedClientException", 400, "The security token included in the request is invalid."],
};

const DENIED: Readonly<Record<Service, Words>> = {
  ec2: ["UnauthorizedOperation", 403, "You are not authorized to perform this operation."],
  ebs: ["AccessDeniedException", 403, "You do not have sufficient access to perform this action."],
  sts: ["AccessDenied", 403, "User is not authorized to perform this action"],
  ssm: ["AccessDeniedException", 400, "User is not authorized to perform this action"],
  "service-quotas": ["AccessDeniedException", 400, "You do not have sufficient permission to perform this action."],
};

const WORDS = { throttled: THROTTLED, broken: BROKEN, expired: EXPIRED, stranger: STRANGER, denied: DENIED };

export function troubleOf(kind: keyof typeof WORDS, service: Service): AwsFault {
  const [code, status, message] = WORDS[kind][service];
  const reason = code === "RequestThrottledException" ? { reason: "ACCOUNT_THROTTLED" } : {};
  return new AwsFault(code, message, { status, ...reason });
}

const BEFORE: Readonly<Partial<Record<FaultRule["kind"], keyof typeof WORDS>>> = {
  throttle: "throttled",
  unavailable: "broken",
  error: "broken",
};

/** What a call is answered instead of being done, by the first rule that says so. */
export function faultBefore(service: Service, rules: readonly FaultRule[]): AwsFault | undefined {
  for (const rule of rules) {
    const kind = BEFORE[rule.kind];
    if (kind !== undefined) return ruled(troubleOf(kind, service), rule);
  }
  return undefined;
}

/** A code of the rule's own has the status that the service gives it. */
function ruled(usual: AwsFault, rule: FaultRule): AwsFault {
  const { code = usual.code, message = usual.message, reason = usual.reason } = rule;
  const status = rule.status ?? (rule.code === undefined ? usual.status : undefined);
  return new AwsFault(code, message, {
    ...(status === undefined ? {} : { status }),
    ...(reason === undefined ? {} : { reason }),
  });
}
