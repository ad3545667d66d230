import { readFileSync } from "node:fs";
import { join } from "node:path";

/** What the client library's protocol file says of a field. */
interface Field {
  readonly type: string;
  readonly repeated?: true;
  readonly map?: true;
  readonly required?: true;
  readonly values?: readonly string[];
}
type Message = Readonly<Record<string, Field>>;

export interface Operation {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  /** Field of the request that is its body. */
  readonly body?: string;
  readonly request: string;
  readonly response: string;
}

interface Model {
  readonly source: string;
  readonly operations: Readonly<Record<string, Omit<Operation, "name">>>;
  readonly messages: Readonly<Record<string, Message>>;
}

const MODEL = JSON.parse(readFileSync(join(import.meta.dirname, "models/compute.json"), "utf8")) as Model;

/** Longer paths first: a family is not an image of that name. */
const ROUTES = Object.entries(MODEL.operations)
  .map(([name, operation]) => ({ operation: { name, ...operation }, pattern: patternOf(operation.path) }))
  .sort((a, b) => b.operation.path.split("/").length - a.operation.path.split("/").length || fixed(b) - fixed(a));

function fixed({ operation }: { readonly operation: Operation }): number {
  return operation.path.split("/").filter((part) => !part.startsWith("{")).length;
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replace(/\{(\w+)\}/g, (_, name: string) => `(?<${name}>[^/]+)`)}$`);
}

export interface Routed {
  readonly operation: Operation;
  /** Values in the path. */
  readonly path: Readonly<Record<string, string>>;
}

export function routeOf(method: string, path: string): Routed | undefined {
  for (const { operation, pattern } of ROUTES) {
    const groups = operation.method === method ? pattern.exec(path)?.groups : undefined;
    if (groups === undefined) continue;
    const values = Object.entries(groups).map(([name, value]) => [name, decodeURIComponent(value)]);
    return { operation, path: Object.fromEntries(values) as Record<string, string> };
  }
  return undefined;
}

/** What is wrong with a request by the protocol file: unknown parameters and fields, types, values, what is missing. */
export function checkRequest({ operation, path }: Routed, query: URLSearchParams, body: unknown): readonly string[] {
  const fields = MODEL.messages[operation.request] ?? {};
  const own = new Set([...Object.keys(path), ...(operation.body === undefined ? [] : [operation.body])]);
  const parameters = [...query.keys()].flatMap((name) => {
    const field = fields[name];
    if (field === undefined || own.has(name)) return [`${operation.name}: unknown parameter ${name}`];
    return query.getAll(name).flatMap((value) => ofText(`${operation.name}?${name}`, field, value));
  });
  const missing = Object.entries(fields)
    .filter(([name, { required }]) => required === true && !own.has(name) && !query.has(name))
    .map(([name]) => `${operation.name}: ${name} is missing`);
  return [...parameters, ...missing, ...ofBody(operation, fields, body)];
}

function ofBody({ name, body: field }: Operation, fields: Message, body: unknown): readonly string[] {
  if (field === undefined) return body === undefined || body === "" ? [] : [`${name}: takes no body`];
  return ofMessage(`${name}.${field}`, fields[field]?.type ?? "", body);
}

/** What is wrong with an answer of ours. */
export function checkAnswer({ name, response }: Operation, body: unknown): readonly string[] {
  return ofMessage(`answer of ${name}`, response, body);
}

function ofText(path: string, field: Field, value: string): readonly string[] {
  if (["int32", "int64", "uint32", "uint64"].includes(field.type)) {
    return /^-?\d+$/.test(value) ? [] : [`${path}: no number`];
  }
  if (field.type === "bool") return /^(?:true|false)$/.test(value) ? [] : [`${path}: not true or false`];
  return [];
}

function ofMessage(path: string, type: string, value: unknown): readonly string[] {
  const message = MODEL.messages[type];
  if (message === undefined) return [`${path}: no message ${type} in ${MODEL.source}`];
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [`${path}: no ${type}`];
  return Object.entries(value).flatMap(([name, each]) => {
    const field = message[name];
    return field === undefined ? [`${path}: unknown field ${name}`] : ofField(`${path}.${name}`, field, each);
  });
}

function ofField(path: string, field: Field, value: unknown): readonly string[] {
  // Takes a field away, in a patch.
  if (value === null) return [];
  if (field.map === true) {
    if (typeof value !== "object" || Array.isArray(value)) return [`${path}: no map`];
    return Object.entries(value).flatMap(([key, each]) => ofValue(`${path}.${key}`, field, each));
  }
  if (field.repeated !== true) return ofValue(path, field, value);
  if (!Array.isArray(value)) return [`${path}: no list`];
  return value.flatMap((each, index) => ofValue(`${path}[${index}]`, field, each));
}

function ofValue(path: string, field: Field, value: unknown): readonly string[] {
  const { type, values } = field;
  if (MODEL.messages[type] !== undefined) return ofMessage(path, type, value);
  if (!fits(type, value)) return [`${path}: ${JSON.stringify(value)} is no ${type}`];
  return values === undefined || values.includes(String(value))
    ? []
    : [`${path}: ${String(value)} is none of its values`];
}

function fits(type: string, value: unknown): boolean {
  switch (type) {
    case "string":
    case "bytes":
      return typeof value === "string";
    case "bool":
      return typeof value === "boolean";
    case "int64":
    case "uint64":
      // As JSON has them: JavaScript's numbers end before these do.
      return typeof value === "string" ? /^-?\d+$/.test(value) : Number.isSafeInteger(value);
    default:
      return typeof value === "number";
  }
}
