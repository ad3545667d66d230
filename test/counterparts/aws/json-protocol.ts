/** Requests and answers of the JSON protocols: AWS JSON 1.1 (SSM, Service Quotas) and REST-JSON (EBS direct). */
import { shapeOf, type ApiModel, type Member, type Operation, type Shape, type Values } from "./aws-model.ts";
import { isRecord } from "./check-shape.ts";

/** A request as it came, its body read. */
export interface Incoming {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface Outgoing {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

export function readJson(model: ApiModel, shapeName: string, body: Buffer): Values {
  const given: unknown = body.length === 0 ? {} : JSON.parse(body.toString("utf8"));
  return fromJson(model, shapeOf(model, shapeName), given) as Values;
}

export function writeJson(model: ApiModel, shapeName: string, value: unknown): string {
  return JSON.stringify(toJson(model, shapeOf(model, shapeName), value));
}

/** JSON has no times and no bytes; the rest is as it is, so that the check against the model sees what was sent. */
function fromJson(model: ApiModel, shape: Shape, value: unknown): unknown {
  if (shape.type === "timestamp" && typeof value === "number") return new Date(value * 1000);
  if (shape.type === "blob" && typeof value === "string") return Buffer.from(value, "base64");
  return mapParts(model, shape, { value, change: fromJson });
}

function toJson(model: ApiModel, shape: Shape, value: unknown): unknown {
  if (value instanceof Date) return value.getTime() / 1000;
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  return mapParts(model, shape, { value, change: toJson });
}

interface Change {
  readonly value: unknown;
  readonly change: (model: ApiModel, shape: Shape, value: unknown) => unknown;
}

function mapParts(model: ApiModel, shape: Shape, { value, change }: Change): unknown {
  if (Array.isArray(value) && shape.member !== undefined) {
    const item = shapeOf(model, shape.member.shape);
    return value.map((each) => change(model, item, each));
  }
  if (!isRecord(value) || shape.members === undefined) return value;
  const { members } = shape;
  const changed = Object.entries(value).map(([name, each]) => {
    const member = members[name];
    return [name, member === undefined ? each : change(model, shapeOf(model, member.shape), each)];
  });
  return Object.fromEntries(changed) as unknown;
}

interface Route {
  readonly action: string;
  readonly operation: Operation;
  readonly path: RegExp;
}

const routes = new WeakMap<ApiModel, readonly Route[]>();

function routesOf(model: ApiModel): readonly Route[] {
  const known = routes.get(model);
  if (known !== undefined) return known;
  const made = Object.entries(model.operations).map(([action, operation]) => {
    const pattern = operation.http.requestUri.replace(/\{(\w+)\}/g, "(?<$1>[^/]+)");
    return { action, operation, path: new RegExp(`^${pattern}$`) };
  });
  routes.set(model, made);
  return made;
}

/** The operation that a method and a path mean, and what its path says. */
export function routeRest(
  model: ApiModel,
  { method, url }: Incoming,
): { action: string; operation: Operation; path: Readonly<Record<string, string>> } | undefined {
  for (const { action, operation, path } of routesOf(model)) {
    const found = method === operation.http.method ? path.exec(url.pathname) : null;
    if (found !== null) return { action, operation, path: found.groups ?? {} };
  }
  return undefined;
}

export function readRest(model: ApiModel, incoming: Incoming): Values {
  const route = routeRest(model, incoming);
  const shape = shapeOf(model, route?.operation.input ?? "");
  const members = Object.entries(shape.members ?? {});
  const placed = members.map(([name, member]) => {
    const text = placedText(member, incoming, route?.path ?? {});
    return [name, text === undefined ? undefined : scalarOf(shapeOf(model, member.shape), text)];
  });
  const body =
    shape.payload === undefined
      ? readJson(model, route?.operation.input ?? "", incoming.body)
      : { [shape.payload]: incoming.body };
  const known = new Set(members.filter(([, { location }]) => location !== undefined).map(([name]) => name));
  const fromBody = Object.entries(body).filter(([name]) => !known.has(name));
  return Object.fromEntries([...placed.filter(([, value]) => value !== undefined), ...fromBody]) as Values;
}

function placedText(
  { location, locationName = "" }: Member,
  { url, headers }: Incoming,
  path: Readonly<Record<string, string>>,
): string | undefined {
  if (location === "uri") return decodeURIComponent(path[locationName] ?? "");
  if (location === "querystring") return url.searchParams.get(locationName) ?? undefined;
  return location === "header" ? headers[locationName.toLowerCase()] : undefined;
}

function scalarOf({ type }: Shape, text: string): unknown {
  const isNumber = type === "integer" || type === "long";
  return isNumber && /^-?\d+$/.test(text) ? Number(text) : text;
}

export function writeRest(model: ApiModel, operation: Operation, values: Values): Outgoing {
  const { output = "", http } = operation;
  const shape = shapeOf(model, output);
  const given = Object.entries(values);
  const isHeader = (name: string) => shape.members?.[name]?.location === "header";
  const headers = given
    .filter(([name]) => isHeader(name))
    .map(([name, value]) => [shape.members?.[name]?.locationName ?? name, String(value)]);
  const body = values[shape.payload ?? ""];
  const isBytes = body instanceof Uint8Array;
  return {
    status: http.responseCode ?? 200,
    headers: {
      ...(Object.fromEntries(headers) as Record<string, string>),
      "content-type": isBytes ? "application/octet-stream" : "application/json",
    },
    body: isBytes ? body : writeJson(model, output, Object.fromEntries(given.filter(([name]) => !isHeader(name)))),
  };
}
