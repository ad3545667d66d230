import { inspect } from "node:util";
import { shapeOf, type ApiModel, type Shape } from "./aws-model.ts";

const NUMBERS = new Set(["integer", "long", "double", "float"]);
const patterns = new Map<string, RegExp | undefined>();

/** What is wrong with a value by the vendor's model: unknown members, types, missing members, enums, lengths, patterns. */
export function checkShape(model: ApiModel, shapeName: string, value: unknown): readonly string[] {
  return problemsOf({ model, path: shapeName }, shapeOf(model, shapeName), value);
}

interface Place {
  readonly model: ApiModel;
  readonly path: string;
}

function problemsOf(place: Place, shape: Shape, value: unknown): readonly string[] {
  switch (shape.type) {
    case "structure":
      return ofStructure(place, shape, value);
    case "list":
      return ofList(place, shape, value);
    case "map":
      return isRecord(value) ? [] : wrongType(place, shape, value);
    default:
      return ofScalar(place, shape, value);
  }
}

function ofStructure(place: Place, shape: Shape, value: unknown): readonly string[] {
  if (!isRecord(value)) return wrongType(place, shape, value);
  const members = shape.members ?? {};
  const missing = (shape.required ?? [])
    .filter((name) => value[name] === undefined)
    .map((name) => `${place.path}: missing required ${name}`);
  const inside = Object.entries(value).flatMap(([name, each]) => {
    if (each === undefined) return [];
    const member = members[name];
    if (member === undefined) return [`${place.path}: unknown parameter ${name}`];
    return problemsOf({ ...place, path: `${place.path}.${name}` }, shapeOf(place.model, member.shape), each);
  });
  return [...missing, ...inside];
}

function ofList(place: Place, shape: Shape, value: unknown): readonly string[] {
  if (!Array.isArray(value) || shape.member === undefined) return wrongType(place, shape, value);
  const item = shapeOf(place.model, shape.member.shape);
  const inside = value.flatMap((each, index) => problemsOf({ ...place, path: `${place.path}[${index}]` }, item, each));
  return [...outOfRange(place, shape, value.length), ...inside];
}

function ofScalar(place: Place, shape: Shape, value: unknown): readonly string[] {
  if (!hasType(shape, value)) return wrongType(place, shape, value);
  if (typeof value === "number") return outOfRange(place, shape, value);
  if (value instanceof Uint8Array) return outOfRange(place, shape, value.length);
  if (typeof value !== "string") return [];
  return [...outOfRange(place, shape, value.length), ...oddText(place, shape, value)];
}

function oddText({ path }: Place, shape: Shape, value: string): readonly string[] {
  if (shape.enum !== undefined && !shape.enum.includes(value)) return [`${path}: ${value} is none of its values`];
  const pattern = shape.pattern === undefined ? undefined : compiled(shape.pattern);
  return pattern === undefined || pattern.test(value) ? [] : [`${path}: ${value} does not match ${pattern.source}`];
}

function outOfRange({ path }: Place, shape: Shape, size: number): readonly string[] {
  if (shape.min !== undefined && size < shape.min) return [`${path}: ${size} is less than ${shape.min}`];
  if (shape.max !== undefined && size > shape.max) return [`${path}: ${size} is more than ${shape.max}`];
  return [];
}

function hasType({ type }: Shape, value: unknown): boolean {
  if (NUMBERS.has(type)) {
    return typeof value === "number" && (Number.isInteger(value) || type === "double" || type === "float");
  }
  if (type === "timestamp") return value instanceof Date && Number.isFinite(value.getTime());
  if (type === "blob") return value instanceof Uint8Array;
  return typeof value === type;
}

function wrongType({ path }: Place, { type }: Shape, value: unknown): readonly string[] {
  return [`${path}: not a ${type}: ${inspect(value)}`];
}

/** The models' patterns are of another dialect; the few that JavaScript does not know are not checked. */
function compiled(source: string): RegExp | undefined {
  if (!patterns.has(source)) {
    try {
      // Classes of Unicode characters are known in that mode only.
      patterns.set(source, new RegExp(source, source.includes("\\p{") ? "u" : ""));
    } catch {
      patterns.set(source, undefined);
    }
  }
  return patterns.get(source);
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !(value instanceof Uint8Array)
  );
}
