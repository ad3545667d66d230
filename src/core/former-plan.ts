import { canonicalJson } from "./canonical-json.ts";
import { sha256, type Digest } from "./digest.ts";
import { KEY_FORMAT_VERSION } from "./key.ts";
import type { PlannedOp } from "./op.ts";
import type { Plan } from "./plan.ts";
import type { Platform } from "./platform.ts";

/** A value too long to be remembered whole: digest and size of its canonical JSON. */
export interface LongValue {
  readonly digest: Digest;
  readonly bytes: number;
}

/** A field of an op, as it is remembered and compared. */
export type FieldValue = string | number | readonly string[] | LongValue;

/** An op as an earlier plan had it, by its fields. */
export interface FormerOp {
  readonly kind: string;
  readonly fields: Readonly<Record<string, FieldValue>>;
}

export interface FormerStep {
  readonly name: string;
  readonly key: Digest;
  readonly ops: readonly FormerOp[];
  readonly freshBoot?: boolean | undefined;
  /** Its layer was made, or found in the store. */
  readonly finished: boolean;
}

/** What is remembered of the plan that was built last, to say later what is different. */
export interface FormerPlan {
  readonly keyFormatVersion: number;
  readonly platform: Platform;
  readonly base: Digest;
  readonly virtualBytes: number;
  readonly bootKey: Digest;
  readonly steps: readonly FormerStep[];
}

/** A field up to this size is kept as it is. */
const MAX_FIELD_BYTES = 64 * 1024;
/** When the fields kept so far are longer than that together, only short ones are kept as they are. */
const MAX_PLAN_BYTES = 4 * 1024 ** 2;
const SHORT_FIELD_BYTES = 256;

/**
 * What is to be remembered of a plan that is about to be built.
 *
 * @param finished says of a step's key whether its layer is there already.
 */
export function rememberedPlan({ disk }: Plan, finished: (key: Digest) => boolean): FormerPlan {
  let keptBytes = 0;
  const shorten = (op: FormerOp): FormerOp => {
    const short = shortenedOp(op, keptBytes > MAX_PLAN_BYTES ? SHORT_FIELD_BYTES : MAX_FIELD_BYTES);
    keptBytes += Buffer.byteLength(JSON.stringify(short));
    return short;
  };
  return {
    keyFormatVersion: KEY_FORMAT_VERSION,
    platform: disk.platform,
    base: disk.base,
    virtualBytes: disk.virtualBytes,
    bootKey: disk.bootKey,
    steps: disk.steps.map(({ name, key, ops, freshBoot }) => ({
      name,
      key,
      ops: ops.map((op) => shorten(fieldsOf(op))),
      ...(freshBoot ? { freshBoot } : {}),
      finished: finished(key),
    })),
  };
}

/** An op by its fields, nothing left out. */
export function fieldsOf({ kind, ...fields }: PlannedOp): FormerOp {
  // Ops written by hand may have fields without a value, whatever their type says.
  const given = Object.entries<unknown>(fields).filter(([, value]) => value !== undefined);
  return { kind, fields: Object.fromEntries(given.map(([name, value]) => [name, fieldOf(value)])) };
}

/** Lists of records as lists of texts, one line for each, so that a difference is told by what was added and removed. */
function fieldOf(value: unknown): FieldValue {
  if (!Array.isArray(value)) return value as FieldValue;
  return value.map((item: unknown) => (typeof item === "string" ? item : canonicalJson(item)));
}

/** What is equal for equal ops, whether their long fields were kept or not. */
export function opIdentity({ kind, fields }: FormerOp): string {
  const digests = Object.entries(fields).map(([name, value]) => [name, fieldIdentity(value)]);
  return canonicalJson({ kind, fields: Object.fromEntries(digests) as Record<string, string> });
}

/** What is equal for equal values. */
export function fieldIdentity(value: FieldValue): Digest {
  return isLong(value) ? value.digest : sha256(canonicalJson(value));
}

export function isLong(value: FieldValue): value is LongValue {
  return typeof value === "object" && "digest" in value;
}

/** A value as it is remembered when it is too long. */
export function longValue(value: FieldValue): LongValue {
  if (isLong(value)) return value;
  const json = canonicalJson(value);
  return { digest: sha256(json), bytes: Buffer.byteLength(json) };
}

function shortenedOp({ kind, fields }: FormerOp, maxBytes: number): FormerOp {
  const kept = Object.entries(fields).map(([name, value]) => [name, shortenedField(value, maxBytes)]);
  return { kind, fields: Object.fromEntries(kept) as FormerOp["fields"] };
}

function shortenedField(value: FieldValue, maxBytes: number): FieldValue {
  const long = longValue(value);
  return long.bytes > maxBytes ? long : value;
}
