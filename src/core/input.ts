import { z } from "zod";
import { KvciError, type ErrorCode } from "./error.ts";
import { didYouMean } from "./near-name.ts";

/** One thing wrong with an input: where in the value, and what. */
export interface InputIssue {
  readonly path: readonly (string | number)[];
  readonly message: string;
  /** "key" when the last part of `path` is itself the mistake, as with an unknown key. Default: the value there is. */
  readonly at?: "key";
}

/**
 * An input that does not pass its schema. The template loader branches on it: with the path of each issue and the
 * stack (which names the call in the template) it finds the file, line and column to show.
 */
export class InputError extends KvciError {
  override readonly name = "InputError";
  readonly issues: readonly InputIssue[];

  // eslint-disable-next-line max-params -- all four always, in the order in which they are shown
  constructor(code: ErrorCode, what: string, issues: readonly InputIssue[], hint: string) {
    super(code, `${what}: ${issues.map(describeIssue).join("; ")}`, { hint });
    this.issues = issues;
  }
}

export function describeIssue({ path, message }: InputIssue): string {
  return path.length === 0 ? message : `${path.join(".")}: ${message}`;
}

/** A type with everything in it readonly, as an input's interface is written; functions stay as they are. */
export type DeepReadonly<T> = T extends (...args: never[]) => unknown
  ? T
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

/** An object that has no other keys than those of `shape`; an unknown one is answered with the nearest known. */
export function recordOf<S extends z.core.$ZodLooseShape>(shape: S): z.ZodObject<S, z.core.$strict> {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys" ? issue.keys.map((key) => unknownKey(key, known)).join("\n") : undefined,
  });
}

function unknownKey(key: string, known: readonly string[]): string {
  return `unknown key ${JSON.stringify(key)}${didYouMean(key, known) || `; known are ${known.join(", ")}`}`;
}

/**
 * Checks `value` against `schema` and returns it typed, defaults filled in.
 *
 * @param options.what names the thing in the message, for example `template "k8s"`.
 * @throws {InputError} with every issue, not only the first.
 */
export function checkInput<S extends z.ZodType>(
  schema: S,
  value: unknown,
  options: { readonly code: ErrorCode; readonly what: string; readonly hint: string },
): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.flatMap((issue) => flattenIssue(issue, value));
  throw new InputError(options.code, options.what, issues, options.hint);
}

function flattenIssue(issue: z.core.$ZodIssue, value: unknown): InputIssue[] {
  const path = issue.path.map((part) => (typeof part === "symbol" ? String(part) : part));
  if (issue.code !== "unrecognized_keys") return [{ path, message: messageOf(issue, valueAt(value, issue.path)) }];
  const messages = issue.message.split("\n");
  return issue.keys.map((key, index) => {
    const message = messages.length === issue.keys.length ? messages[index] : undefined;
    return { path: [...path, key], message: message ?? `unknown key ${JSON.stringify(key)}`, at: "key" };
  });
}

function messageOf(issue: z.core.$ZodIssue, value: unknown): string {
  if (issue.code === "invalid_value") return notAmong(value, issue.values);
  if (issue.code === "invalid_union" && "options" in issue) {
    return notAmong(value, issue.options);
  }
  if (issue.code === "invalid_type" && value === undefined) return `missing: ${articled(issue.expected)} is needed`;
  return issue.message.replace(/^Invalid input: /, "");
}

function notAmong(value: unknown, options: readonly z.core.util.Primitive[]): string {
  const names = options.map(String);
  const list = names.length === 1 ? `"${names.join("")}" is needed` : `one of ${names.join(", ")} is needed`;
  if (value === undefined) return `missing: ${list}`;
  const shown = typeof value === "string" ? JSON.stringify(value) : `a value of type ${typeof value}`;
  return `${shown} is not known here: ${list}${typeof value === "string" ? didYouMean(value, names) : ""}`;
}

function articled(type: string): string {
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, part) => (typeof at === "object" && at !== null ? (at as Record<PropertyKey, unknown>)[part] : undefined),
    value,
  );
}
