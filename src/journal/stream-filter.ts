import type { StampedEvent } from "../core/event.ts";

/** Rewrites the text of one stream; may hold a part back until more has come. */
export interface TextFilter {
  readonly push: (text: string) => readonly string[];
  readonly flush: () => readonly string[];
}

interface Held {
  readonly filter: TextFilter;
  readonly build: string;
  readonly span: readonly string[];
  readonly stream: "stdout" | "stderr";
}

/**
 * Runs the text of every stream (per build, span and stdout or stderr) through a filter of its own, and passes all other
 * events on in their place. What a filter holds back comes at the latest with the end of its span.
 *
 * When an op begins or ends, `flushAtOps` says what comes then already. The mark of an op travels on standard output, so
 * chunks of standard error may be later than it: what must see a text cut in two there as one takes "stdout".
 */
export function createStreamFilter(
  options: { readonly create: () => TextFilter; readonly flushAtOps: "stdout" | "both" },
  next: (event: StampedEvent) => void,
) {
  const streams = new Map<string, Held>();

  const pass = (held: Held, at: string, pieces: readonly string[]): void => {
    const { build, span, stream } = held;
    for (const text of pieces) next({ at, build, span, event: { type: "output", stream, text } });
  };
  const flush = (at: string, which: (held: Held) => boolean): void => {
    for (const [key, held] of streams) {
      if (!which(held)) continue;
      streams.delete(key);
      pass(held, at, held.filter.flush());
    }
  };
  return {
    write(stamped: StampedEvent): void {
      const { at, build, span, event } = stamped;
      if (event.type === "output") {
        const key = JSON.stringify([build, event.stream, ...span]);
        const held = streams.get(key) ?? { filter: options.create(), build, span, stream: event.stream };
        streams.set(key, held);
        pass(held, at, held.filter.push(event.text));
        return;
      }
      const boundary = boundaryOf(stamped, options.flushAtOps);
      if (boundary) flush(at, boundary);
      next(stamped);
    },
    /** Flushes everything; `at` stamps what comes. */
    end(at: string): void {
      flush(at, () => true);
    },
  };
}

function boundaryOf(
  { build, span, event }: StampedEvent,
  flushAtOps: "stdout" | "both",
): ((held: Held) => boolean) | undefined {
  if (event.type === "op-started" || event.type === "op-ended") {
    return (held) =>
      (flushAtOps === "both" || held.stream === "stdout") && held.build === build && samePath(held.span, span);
  }
  if (event.type !== "span-ended") return undefined;
  const ended = [...span, event.name];
  return (held) => held.build === build && samePath(held.span.slice(0, ended.length), ended);
}

function samePath(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, index) => name === b[index]);
}
