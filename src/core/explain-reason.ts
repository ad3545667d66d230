import { isLong, type FieldValue } from "./former-plan.ts";
import { diffLines, unifiedDiff } from "./line-diff.ts";
import { describeReason, textsOf, type Cause, type Reason } from "./reason.ts";

/** Reasons whose values are digests and whole ops: cut in one line, whole here. */
const WITH_VALUES: ReadonlySet<Cause> = new Set([
  "op-added",
  "op-removed",
  "base-changed",
  "base-not-made",
  "key-changed",
]);

/** A reason in as many lines as it takes: nothing is cut, and texts are compared line by line. */
export function explainReason(reason: Reason): string[] {
  const { cause, input, from, to } = reason;
  const values = [...prefixed("-", from), ...prefixed("+", to)];
  if (cause === "op-changed") {
    const texts = textsOf(reason);
    return [`${input}:`, ...(texts ? unifiedDiff(diffLines(...texts)).map((line) => `  ${line}`) : values)];
  }
  return WITH_VALUES.has(cause) && values.length > 0
    ? [`${describeReason(reason)}:`, ...values]
    : [describeReason(reason)];
}

function prefixed(sign: "-" | "+", value: FieldValue | undefined): string[] {
  return value === undefined ? [] : [`  ${sign}${whole(value)}`];
}

function whole(value: FieldValue): string {
  if (typeof value === "string" || typeof value === "number") return String(value);
  return isLong(value) ? `${value.digest} (${String(value.bytes)} bytes)` : JSON.stringify(value);
}
