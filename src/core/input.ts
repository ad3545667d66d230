import type { z } from "zod";
import { KvciError, type ErrorCode } from "./error.ts";

/** One thing wrong with an input: where in the value, and what. */
export interface InputIssue {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/**
 * An input that does not pass its schema. The template loader branches on it: with the path of each issue and the
 * stack (which names the call in the template) it finds the file, line and column to show.
 */
export class InputError extends KvciError {
  override readonly name = "InputError";
  readonly issues: readonly InputIssue[];

  constructor(code: ErrorCode, what: string, issues: readonly InputIssue[], hint: string) {
    super(code, `${what}: ${issues.map(describeIssue).join("; ")}`, { hint });
    this.issues = issues;
  }
}

export function describeIssue({ path, message }: InputIssue): string {
  return path.length === 0 ? message : `${path.join(".")}: ${message}`;
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
  const issues = result.error.issues.flatMap(flattenIssue);
  throw new InputError(options.code, options.what, issues, options.hint);
}

function flattenIssue(issue: z.core.$ZodIssue): InputIssue[] {
  const path = issue.path.map((part) => (typeof part === "symbol" ? String(part) : part));
  if (issue.code !== "unrecognized_keys") return [{ path, message: issue.message }];
  return issue.keys.map((key) => ({ path: [...path, key], message: `unknown key "${key}"` }));
}
