import { shortDigest, sha256 } from "./digest.ts";
import { isLong, type FieldValue } from "./former-plan.ts";
import { diffLines, type DiffLine } from "./line-diff.ts";

/** Why a step runs although it might have been cached. */
export type Cause =
  | "never-built"
  | "key-format"
  | "platform"
  | "base-changed"
  | "base-not-made"
  | "disk-size"
  | "step-new"
  | "step-moved"
  | "step-removed"
  | "step-before-changed"
  | "op-added"
  | "op-removed"
  | "op-changed"
  | "fresh-boot"
  | "volatile"
  | "too-old"
  | "cache-unused"
  | "not-finished"
  | "layer-gone"
  | "follows"
  | "key-changed";

/** One input that is not what it was, or one fact that has the same effect. */
export interface Reason {
  readonly cause: Cause;
  /** What changed, as a person finds it in the template: `base`, `op 3 (write /etc/motd), content`, a step's name. */
  readonly input: string;
  readonly from?: FieldValue;
  readonly to?: FieldValue;
}

const SENTENCES: Readonly<Record<Cause, (reason: Reason) => string>> = {
  "never-built": () => "never built before",
  "key-format": (reason) => `kvci-build's key format changed: ${arrow(reason)}`,
  platform: (reason) => `${reason.input} changed: ${arrow(reason)}`,
  "base-changed": (reason) => `the base changed: ${arrow(reason)}`,
  "base-not-made": ({ from }) =>
    from === undefined ? "the base is not made yet" : `the base is not made any more (it was ${shown(from)})`,
  "disk-size": (reason) => `disk size changed: ${arrow(reason)}`,
  "step-new": () => "the step is new",
  "step-moved": (reason) => `the step moved: position ${arrow(reason)}`,
  "step-removed": ({ input }) => `step ${input} before it was removed`,
  "step-before-changed": ({ input }) => `step ${input} before it is not what it was in the last build`,
  "op-added": ({ input }) => `${input}: added`,
  "op-removed": ({ input }) => `${input}: removed`,
  "op-changed": (reason) => `${reason.input}: ${fieldChange(reason)}`,
  "fresh-boot": (reason) => `freshBoot changed: ${arrow(reason)}`,
  volatile: () => "volatile: runs in every build",
  "too-old": ({ from, to }) => `its layer is ${shown(from)} old, more than its maxAge of ${shown(to)}`,
  "cache-unused": ({ input }) => `${input}: every step runs`,
  "not-finished": () => "did not finish in the last build",
  "layer-gone": () => "unchanged, but its layer is not in the store any more (removed by gc, or set aside as damaged)",
  follows: ({ input }) => `follows ${input}, which will run`,
  "key-changed": (reason) => `its key changed: ${arrow(reason)}`,
};

/** A reason as one line for a person; long values are cut and named by their digest. */
export function describeReason(reason: Reason): string {
  return SENTENCES[reason.cause](reason);
}

/** A reason for programs: the input, and its values where there are any; long ones cut. */
export function reasonJson(reason: Reason, value: (value: FieldValue) => unknown = shortJson): object {
  const { cause, input, from, to } = reason;
  return {
    cause,
    input,
    ...(from === undefined ? {} : { from: value(from) }),
    ...(to === undefined ? {} : { to: value(to) }),
  };
}

/** A text up to this length is shown whole. */
const MAX_SHOWN = 60;
const HEAD = 32;

function shortJson(value: FieldValue): unknown {
  return JSON.stringify(value).length > 4 * MAX_SHOWN ? shown(value) : value;
}

function arrow({ from, to }: Reason): string {
  return `${shown(from)} → ${shown(to)}`;
}

function shown(value: FieldValue | undefined): string {
  if (value === undefined) return "none";
  if (typeof value === "number") return String(value);
  if (isLong(value)) return `${shortDigest(value.digest)} (${String(value.bytes)} bytes)`;
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (/^sha(?:256|512):[0-9a-f]+$/.test(text)) return shortDigest(text);
  return text.length > MAX_SHOWN ? `${text.slice(0, HEAD)}… (${shortDigest(sha256(text))})` : text;
}

/** Both values as lists of lines, where they are texts or command lines that were kept whole and not one line each. */
export function textsOf({ from, to }: Reason): [string[], string[]] | undefined {
  const [old, now] = [linesOf(from), linesOf(to)];
  return old && now && old.length + now.length > 2 ? [old, now] : undefined;
}

function linesOf(value: FieldValue | undefined): string[] | undefined {
  if (typeof value === "string") return value.split("\n");
  return Array.isArray(value) ? value.flatMap((word: string) => word.split("\n")) : undefined;
}

/** `+2 −1 lines; line 4: "a" → "b"` for texts and commands, old and new value for the rest. */
function fieldChange(reason: Reason): string {
  const texts = textsOf(reason);
  if (!texts) return arrow(reason);
  const changes = diffLines(...texts).filter(({ kind }) => kind !== "same");
  const removed = changes.filter(({ kind }) => kind === "removed");
  const unit = Array.isArray(reason.from) ? "argument" : "line";
  const count = `+${String(changes.length - removed.length)} −${String(removed.length)} ${unit}s`;
  return `${count}; ${unit} ${firstChange(changes)}`;
}

/** `4: "a" → "b"`: the place, counted from 1 (in the old text where the line is from there), and both texts. */
function firstChange(changes: readonly DiffLine[]): string {
  const [first] = changes;
  const place = (first?.from ?? first?.to ?? 0) + 1;
  const now = changes.find(({ kind }) => kind === "added")?.text;
  return `${String(place)}: ${quoted(first?.kind === "removed" ? first.text : undefined)} → ${quoted(now)}`;
}

function quoted(text: string | undefined): string {
  return text === undefined ? "none" : shown(JSON.stringify(text));
}
