import { KvciError } from "./error.ts";

/** Deeper values are refused: plans are a handful of levels deep, and a value that holds itself never ends. */
const MAX_DEPTH = 64;

/**
 * JSON with one spelling per value: keys sorted by UTF-16 code unit, no white space, numbers as ECMAScript prints them
 * (the rules of RFC 8785). `undefined` members are left out, as JSON.stringify does; anything else that JSON cannot say
 * (functions, symbols, bigints, NaN, infinities, `undefined` in a list, lone surrogates, class instances, more than 64 levels,
 * and so anything that holds itself) is refused, because
 * a key made from a value that was silently changed would match things it should not.
 *
 * @throws {KvciError} `internal` naming the path of the offending value.
 */
export function canonicalJson(value: unknown): string {
  return encode(value, "$", 0);
}

function encode(value: unknown, path: string, depth: number): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return encodeString(value, path);
  if (typeof value === "number") return encodeNumber(value, path);
  if (typeof value !== "object") throw refused(path, `a ${typeof value}`);
  if (depth > MAX_DEPTH) throw refused(path, `more than ${String(MAX_DEPTH)} levels deep`);
  return Array.isArray(value) ? encodeList(value, path, depth) : encodeObject(value, path, depth);
}

function encodeList(value: readonly unknown[], path: string, depth: number): string {
  // Array.from, not map: it visits the holes of a sparse list, which are then refused as undefined.
  return `[${Array.from(value, (item, index) => encode(item, `${path}[${String(index)}]`, depth + 1)).join(",")}]`;
}

function encodeObject(value: object, path: string, depth: number): string {
  if (!isPlain(value)) throw refused(path, "an object of a class");
  if (Object.getOwnPropertySymbols(value).length > 0) throw refused(path, "an object with a symbol as key");
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${encodeString(key, path)}:${encode(member, `${path}.${key}`, depth + 1)}`);
  return `{${members.join(",")}}`;
}

function encodeString(value: string, path: string): string {
  if (!value.isWellFormed()) throw refused(path, "a string with half a surrogate pair");
  return JSON.stringify(value);
}

function encodeNumber(value: number, path: string): string {
  if (!Number.isFinite(value)) throw refused(path, String(value));
  return JSON.stringify(value);
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function refused(path: string, what: string): KvciError {
  return new KvciError("internal", `${path} is ${what}, which canonical JSON cannot hold`, {
    hint: "Put only plain data into steps, bases and plans.",
  });
}
