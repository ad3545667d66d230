import type { BuildEvent, SpanKind } from "./event.ts";

/** Where everything that has effects reports what it does. Observers never change an event. */
export interface Journal {
  emit(event: BuildEvent): void;
  /** Runs `work` between a span-started and a span-ended event; the latter also comes when `work` throws. */
  span<T>(span: { readonly name: string; readonly kind: SpanKind }, work: (journal: Journal) => Promise<T>): Promise<T>;
}

/** A journal nobody reads. */
export const silentJournal: Journal = {
  emit: () => undefined,
  span: (_span, work) => work(silentJournal),
};
