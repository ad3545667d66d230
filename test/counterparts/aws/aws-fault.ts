import { element, escapeXml } from "./query-protocol.ts";
import type { Outgoing } from "./json-protocol.ts";
import { MODELS, type Service } from "./aws-model.ts";

/** An error as a service answers it. */
export class AwsFault extends Error {
  override readonly name = "AwsFault";
  readonly code: string;
  readonly status: number | undefined;
  readonly reason: string | undefined;

  constructor(code: string, message: string, { status, reason }: { status?: number; reason?: string } = {}) {
    super(message);
    this.code = code;
    this.status = status;
    this.reason = reason;
  }
}

const EC2_STATUS: Readonly<Record<string, number>> = {
  AuthFailure: 401,
  DryRunOperation: 412,
  InternalError: 500,
  OptInRequired: 403,
  RequestLimitExceeded: 503,
  ServerInternal: 500,
  Unavailable: 503,
  UnauthorizedOperation: 403,
  Unsupported: 400,
};

const STS_STATUS: Readonly<Record<string, number>> = {
  AccessDenied: 403,
  ExpiredToken: 403,
  InternalFailure: 500,
  InvalidClientTokenId: 403,
  MissingAuthenticationToken: 403,
  SignatureDoesNotMatch: 403,
};

export function writeFault(service: Service, fault: AwsFault, requestId: string): Outgoing {
  switch (service) {
    case "ec2":
      return ec2Fault(fault, requestId);
    case "sts":
      return stsFault(fault, requestId);
    default:
      return jsonFault(service, fault, requestId);
  }
}

function ec2Fault({ code, message, status }: AwsFault, requestId: string): Outgoing {
  const error = element("Error", element("Code", code) + element("Message", escapeXml(message)));
  const body = element("Response", element("Errors", error) + element("RequestID", requestId));
  return {
    status: status ?? EC2_STATUS[code] ?? 400,
    headers: { "content-type": "text/xml;charset=UTF-8", "x-amzn-requestid": requestId },
    body: `<?xml version="1.0" encoding="UTF-8"?>\n${body}`,
  };
}

function stsFault({ code, message, status }: AwsFault, requestId: string): Outgoing {
  const found = status ?? STS_STATUS[code] ?? 400;
  const type = element("Type", found < 500 ? "Sender" : "Receiver");
  const error = element("Error", type + element("Code", code) + element("Message", escapeXml(message)));
  const body = element("ErrorResponse", error + element("RequestId", requestId));
  return { status: found, headers: { "content-type": "text/xml", "x-amzn-requestid": requestId }, body };
}

function jsonFault(service: Service, { code, message, status, reason }: AwsFault, requestId: string): Outgoing {
  const { shapes, metadata } = MODELS[service];
  const { members = {}, httpStatusCode = 400 } = shapes[code] ?? {};
  // Some of a service's errors spell the member with a capital, some do not.
  const named = "Message" in members ? { Message: message } : { message };
  const why = reason === undefined ? {} : { Reason: reason };
  return {
    status: status ?? httpStatusCode,
    headers: {
      "content-type": metadata.protocol === "json" ? "application/x-amz-json-1.1" : "application/json",
      "x-amzn-errortype": code,
      "x-amzn-requestid": requestId,
    },
    body: JSON.stringify({ __type: code, ...named, ...why }),
  };
}
