/** Requests of the query protocols as forms, answers as XML: EC2's dialect (flat lists, names in capitals) and STS's. */
import { shapeOf, type ApiModel, type Member, type Shape, type Values } from "./aws-model.ts";
import { isRecord } from "./check-shape.ts";

type Branch = Map<string, Branch | string>;

/** What a request's form says, and what in it the model does not know. */
export interface Reading {
  readonly values: Values;
  readonly problems: readonly string[];
}

/** `params` without Action and Version. */
export function readQuery(model: ApiModel, shapeName: string, params: Iterable<[string, string]>): Reading {
  const problems: string[] = [];
  const tree: Branch = new Map();
  for (const [name, value] of params) plant(tree, name.split("."), value);
  return { values: readStructure({ model, problems }, shapeOf(model, shapeName), tree), problems };
}

function plant(tree: Branch, path: readonly string[], value: string): void {
  const [first = "", ...rest] = path;
  if (rest.length === 0) {
    tree.set(first, value);
    return;
  }
  const known = tree.get(first);
  const branch: Branch = known instanceof Map ? known : new Map<string, Branch | string>();
  tree.set(first, branch);
  plant(branch, rest, value);
}

interface Reader {
  readonly model: ApiModel;
  readonly problems: string[];
}

function readStructure(reader: Reader, shape: Shape, branch: Branch): Values {
  const byWireName = new Map(Object.entries(shape.members ?? {}).map(([name, each]) => [wireName(name, each), name]));
  const values: Record<string, unknown> = {};
  for (const [wire, node] of branch) {
    const name = byWireName.get(wire);
    const member = name === undefined ? undefined : shape.members?.[name];
    if (name === undefined || member === undefined) reader.problems.push(`unknown parameter ${wire}`);
    else values[name] = readNode(reader, shapeOf(reader.model, member.shape), node);
  }
  return values;
}

function readNode(reader: Reader, shape: Shape, node: Branch | string): unknown {
  if (shape.type === "structure") return node instanceof Map ? readStructure(reader, shape, node) : node;
  if (shape.type === "list") return node instanceof Map ? readList(reader, shape, node) : node;
  return node instanceof Map ? Object.fromEntries(node) : readScalar(shape, node);
}

function readList(reader: Reader, { member }: Shape, branch: Branch): readonly unknown[] {
  const item = shapeOf(reader.model, member?.shape ?? "");
  const numbers = [...branch.keys()].map(Number).sort((a, b) => a - b);
  if (numbers.some((each, index) => each !== index + 1)) reader.problems.push(`a list numbered ${numbers.join(", ")}`);
  return numbers.map((each) => readNode(reader, item, branch.get(String(each)) ?? ""));
}

/** A text that is not of its type stays a text, which the check against the model then names. */
function readScalar({ type }: Shape, text: string): unknown {
  return SCALARS[type]?.(text) ?? text;
}

const SCALARS: Readonly<Record<string, (text: string) => unknown>> = {
  boolean: (text) => (text === "true" || text === "false" ? text === "true" : undefined),
  integer: readNumber,
  long: readNumber,
  float: readNumber,
  double: readNumber,
  timestamp: (text) => (Number.isNaN(Date.parse(text)) ? undefined : new Date(text)),
  blob: (text) => Buffer.from(text, "base64"),
};

function readNumber(text: string): number | undefined {
  return text.trim() === "" || Number.isNaN(Number(text)) ? undefined : Number(text);
}

function wireName(name: string, { queryName, locationName }: Member): string {
  if (queryName !== undefined) return queryName;
  return locationName === undefined ? name : locationName.charAt(0).toUpperCase() + locationName.slice(1);
}

/** The members of a value as XML elements, without an element around them. */
export function writeXml(model: ApiModel, shapeName: string, value: unknown): string {
  return writeShape(model, shapeOf(model, shapeName), value);
}

function writeShape(model: ApiModel, shape: Shape, value: unknown): string {
  if (shape.type === "structure") {
    if (!isRecord(value)) return "";
    return Object.entries(shape.members ?? {})
      .filter(([name]) => value[name] !== undefined)
      .map(([name, { locationName = name, shape: inner }]) =>
        element(locationName, writeShape(model, shapeOf(model, inner), value[name])),
      )
      .join("");
  }
  if (shape.type === "list") {
    const { locationName = "member", shape: inner = "" } = shape.member ?? {};
    const items = value as readonly unknown[];
    return items.map((each) => element(locationName, writeShape(model, shapeOf(model, inner), each))).join("");
  }
  return writeScalar(value);
}

function writeScalar(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  return escapeXml(String(value));
}

export function element(name: string, content: string): string {
  return `<${name}>${content}</${name}>`;
}

export function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
