/** What a call asks, by the vendor's model, and what the handler of its action answers, by the model, too. */
import { accountActions } from "./ec2-account.ts";
import { quotaActions, stsActions } from "./account-services.ts";
import { AwsFault } from "./aws-fault.ts";
import { MODELS, type ApiModel, type Operation, type Service, type Values } from "./aws-model.ts";
import { checkShape } from "./check-shape.ts";
import { ebsReadActions } from "./ebs-read.ts";
import { ebsWriteActions } from "./ebs-write.ts";
import { copyActions } from "./ec2-copy.ts";
import { imageLifeActions } from "./ec2-image-life.ts";
import { imageActions } from "./ec2-images.ts";
import { instanceTypeActions } from "./ec2-instance-types.ts";
import { instanceActions } from "./ec2-instances.ts";
import { keyPairActions } from "./ec2-key-pairs.ts";
import { networkActions } from "./ec2-network.ts";
import { registerActions } from "./ec2-register.ts";
import { sharingActions } from "./ec2-sharing.ts";
import { snapshotActions } from "./ec2-snapshots.ts";
import { tagActions } from "./ec2-tags.ts";
import { readJson, readRest, routeRest, writeJson, writeRest, type Incoming, type Outgoing } from "./json-protocol.ts";
import { element, readQuery, writeXml } from "./query-protocol.ts";
import { ssmActions } from "./ssm.ts";
import type { Actions, Context } from "./world.ts";

const ACTIONS: Readonly<Record<Service, Actions>> = {
  ec2: {
    ...accountActions,
    ...copyActions,
    ...imageActions,
    ...imageLifeActions,
    ...instanceActions,
    ...instanceTypeActions,
    ...keyPairActions,
    ...networkActions,
    ...registerActions,
    ...sharingActions,
    ...snapshotActions,
    ...tagActions,
  },
  ebs: { ...ebsReadActions, ...ebsWriteActions },
  sts: stsActions,
  ssm: ssmActions,
  "service-quotas": quotaActions,
};

/** The service that a request is for, where its signature does not say. */
export function guessedService({ headers }: Incoming): Service {
  if ((headers["content-type"] ?? "").startsWith("application/x-www-form-urlencoded")) return "ec2";
  return headers["x-amz-target"] === undefined ? "ebs" : "ssm";
}

/** @throws {AwsFault} for what is not one of the service's operations. */
export function actionOf(service: Service, incoming: Incoming): string {
  const { metadata } = MODELS[service];
  const action = namedAction(service, incoming);
  if (action !== undefined && ACTIONS[service][action] !== undefined) return action;
  const codes = { ec2: "InvalidAction", query: "InvalidAction", json: "UnknownOperationException" };
  const code = metadata.protocol === "rest-json" ? "UnknownOperationException" : codes[metadata.protocol];
  throw new AwsFault(code, `${action ?? incoming.url.pathname} is not an operation of ${service} here`);
}

function namedAction(service: Service, incoming: Incoming): string | undefined {
  const { protocol, targetPrefix = "" } = MODELS[service].metadata;
  if (protocol === "rest-json") return routeRest(MODELS[service], incoming)?.action;
  if (protocol === "json") {
    const [prefix, action] = (incoming.headers["x-amz-target"] ?? "").split(".");
    return prefix === targetPrefix ? action : undefined;
  }
  return formOf(incoming).get("Action") ?? undefined;
}

function formOf({ body }: Incoming): URLSearchParams {
  return new URLSearchParams(body.toString("utf8"));
}

/** Answers the request's values, and what is wrong with them. */
export function readCall(
  service: Service,
  action: string,
  incoming: Incoming,
): { readonly values: Values; readonly problems: readonly string[] } {
  const model = MODELS[service];
  const { input } = operationOf(model, action);
  if (input === undefined) return { values: {}, problems: [] };
  const { values, problems } = readValues(model, input, incoming);
  return { values, problems: [...problems, ...checkShape(model, input, values)] };
}

function readValues(model: ApiModel, input: string, incoming: Incoming) {
  const { protocol, apiVersion } = model.metadata;
  if (protocol === "rest-json") return { values: readRest(model, incoming), problems: [] };
  if (protocol === "json") return { values: readJson(model, input, incoming.body), problems: [] };
  const form = formOf(incoming);
  const version = form.get("Version");
  const read = readQuery(
    model,
    input,
    [...form].filter(([name]) => name !== "Action" && name !== "Version"),
  );
  const old = version === apiVersion ? [] : [`version ${String(version)}, not ${apiVersion}`];
  return { values: read.values, problems: [...old, ...read.problems] };
}

function operationOf(model: ApiModel, action: string): Operation {
  const operation = model.operations[action];
  if (operation === undefined) throw new TypeError(`no operation ${action} in ${model.source}`);
  return operation;
}

export interface Performed {
  readonly outgoing: Outgoing;
  /** What the answer has that the model does not allow: a fault of ours. */
  readonly problems: readonly string[];
}

export async function performCall(
  { service, action, requestId }: { readonly service: Service; readonly action: string; readonly requestId: string },
  values: Values,
  context: Context,
): Promise<Performed> {
  const model = MODELS[service];
  const operation = operationOf(model, action);
  const handler = ACTIONS[service][action];
  const answer = ((await handler?.(values as never, context)) ?? {}) as Values;
  const problems = operation.output === undefined ? [] : checkShape(model, operation.output, answer);
  return { outgoing: written(model, { action, operation, requestId }, answer), problems };
}

function written(
  model: ApiModel,
  {
    action,
    operation,
    requestId,
  }: { readonly action: string; readonly operation: Operation; readonly requestId: string },
  answer: Values,
): Outgoing {
  const { protocol, xmlNamespace = "" } = model.metadata;
  if (protocol === "rest-json") return writeRest(model, operation, answer);
  if (protocol === "json") {
    const body = operation.output === undefined ? "{}" : writeJson(model, operation.output, answer);
    return { status: 200, headers: { "content-type": "application/x-amz-json-1.1" }, body };
  }
  const content = operation.output === undefined ? "" : writeXml(model, operation.output, answer);
  const inner =
    protocol === "ec2"
      ? element("requestId", requestId) + content
      : element(`${action}Result`, content) + element("ResponseMetadata", element("RequestId", requestId));
  return {
    status: 200,
    headers: { "content-type": "text/xml;charset=UTF-8" },
    body: `<?xml version="1.0" encoding="UTF-8"?>\n<${action}Response xmlns="${xmlNamespace}">${inner}</${action}Response>`,
  };
}
