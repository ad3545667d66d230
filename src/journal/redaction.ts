import type { BuildEvent, StampedEvent } from "../core/event.ts";
import { redactUrl } from "./redact-url.ts";
import { createSecretMatcher, type SecretMatcher } from "./secret-matcher.ts";
import { secretSpellings } from "./secret-spellings.ts";
import type { Sink } from "./sink.ts";
import { createStreamFilter, type TextFilter } from "./stream-filter.ts";

/** Replaces secrets by a mask, in every spelling of `secretSpellings`. */
export interface Redactor {
  /** In one text. */
  readonly redact: (text: string) => string;
  /** In every string of plain data, keys left alone. */
  readonly redactAll: <T>(value: T) => T;
  /** In a text that comes in chunks, also where a secret is cut in two. Holds back at most one secret. */
  readonly stream: () => TextFilter;
}

/** Tried in order; a mask of a character that some secret holds could complete a secret by standing beside its rest. */
const MASK_CHARACTERS = ["*", "#", "_", "\u2022", "\u2588"] as const;
const LAST_MASK_CHARACTER = "\uFFFD";

export function createRedactor(secrets: Iterable<string>): Redactor {
  const patterns = [...new Set([...secrets].flatMap(secretSpellings))];
  const character = MASK_CHARACTERS.find((mask) => !patterns.some((pattern) => pattern.includes(mask)));
  const mask = (character ?? LAST_MASK_CHARACTER).repeat(3);
  const matcher = createSecretMatcher(patterns);

  const stream = (): TextFilter => (matcher.empty ? untouched : maskingFilter(matcher, mask));
  const redact = (text: string): string => {
    const filter = stream();
    return [...filter.push(text), ...filter.flush()].join("");
  };
  return { redact, redactAll: (value) => mapStrings(value, redact), stream };
}

const untouched: TextFilter = { push: (text) => [text], flush: () => [] };

interface Mask {
  readonly start: number;
  readonly end: number;
  /** Its beginning has been printed as a mask already. */
  readonly continued: boolean;
}

function maskingFilter(matcher: SecretMatcher, mask: string): TextFilter {
  let held = "";
  let state = 0;
  let masks: Mask[] = [];

  /** Prints `held` up to `end`; a secret that goes on behind it is printed as one mask now. */
  const release = (end: number): readonly string[] => {
    let text = "";
    let from = 0;
    for (const found of masks) {
      if (found.start >= end) break;
      text += held.slice(from, found.start) + (found.continued ? "" : mask);
      from = Math.min(found.end, end);
    }
    text += held.slice(from, end);
    masks = masks.filter((found) => found.end > end).map((found) => shift(found, end));
    held = held.slice(end);
    return text === "" ? [] : [text];
  };
  return {
    push(text) {
      const seen = held.length;
      held += text;
      for (let index = seen; index < held.length; index += 1) {
        state = matcher.next(state, held.charCodeAt(index));
        const length = matcher.matched(state);
        if (length > 0) masks = addMask(masks, index + 1 - length, index + 1);
      }
      return release(held.length - matcher.depth(state));
    },
    flush() {
      state = 0;
      const rest = release(held.length);
      masks = [];
      return rest;
    },
  };
}

function shift({ start, end, continued }: Mask, by: number): Mask {
  return { start: Math.max(0, start - by), end: end - by, continued: continued || start < by };
}

/** Adds a find that ends behind all others; those it overlaps become one with it. */
function addMask(masks: readonly Mask[], start: number, end: number): Mask[] {
  const apart = masks.filter((found) => found.end <= start);
  const first = masks[apart.length];
  if (!first) return [...apart, { start, end, continued: false }];
  return [...apart, { start: Math.min(start, first.start), end, continued: first.continued && first.start <= start }];
}

/** Words of the schema, which are the same in every journal. */
const SCHEMA_KEYS = new Set(["type", "kind", "stream", "at"]);

function mapStrings<T>(value: T, change: (text: string) => string): T {
  if (typeof value === "string") return change(value) as T;
  if (Array.isArray(value)) return value.map((item: unknown) => mapStrings(item, change)) as T;
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, item]: [string, unknown]) => [
    key,
    SCHEMA_KEYS.has(key) ? item : mapStrings(item, change),
  ]);
  return Object.fromEntries(entries) as T;
}

/**
 * A sink that shows `sink` every event without the secrets, and URLs without credentials in them. Output whose end could
 * be the beginning of a secret comes a little later, at the latest with the end of its span.
 */
export function redactingSink(redactor: Redactor, sink: Sink): Sink {
  let lastAt = "";
  const change = (text: string): string => redactor.redact(redactUrl(text));
  const filter = createStreamFilter({ create: redactor.stream, flushAtOps: "stdout" }, (stamped) => {
    sink.write(redactStamped(stamped, redactor, change));
  });
  return {
    write(stamped) {
      lastAt = stamped.at;
      filter.write(stamped);
    },
    async close() {
      filter.end(lastAt);
      await sink.close?.();
    },
  };
}

function redactStamped(stamped: StampedEvent, redactor: Redactor, change: (text: string) => string): StampedEvent {
  // Output has been through the filter of its stream.
  const event: BuildEvent = stamped.event.type === "output" ? stamped.event : mapStrings(stamped.event, change);
  return { at: stamped.at, build: redactor.redact(stamped.build), span: stamped.span.map(redactor.redact), event };
}
