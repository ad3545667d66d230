import type { SpanKind } from "../core/event.ts";
import type { Journal } from "../core/journal.ts";

export interface SpanTime {
  readonly name: string;
  readonly kind: SpanKind;
  readonly durationMs: number;
}

/** A journal that also keeps how long each span took, for the build's record. */
export function timedJournal(journal: Journal, times: SpanTime[]): Journal {
  return {
    emit: (event) => {
      journal.emit(event);
    },
    async span(span, work) {
      const started = performance.now();
      try {
        return await journal.span(span, (inner) => work(timedJournal(inner, times)));
      } finally {
        times.push({ ...span, durationMs: Math.round(performance.now() - started) });
      }
    },
  };
}
