import type { BuildEvent, SpanKind } from "../../src/core/event.ts";
import type { Journal } from "../../src/core/journal.ts";

/** An event and the names of the spans it was emitted in, outermost first. */
export interface RecordedEvent {
  readonly span: readonly string[];
  readonly event: BuildEvent;
}

/** A journal that keeps every event, in order; spans take no time, so that recordings are equal from run to run. */
export class RecordingJournal implements Journal {
  readonly recorded: RecordedEvent[];
  readonly #path: readonly string[];

  constructor(recorded: RecordedEvent[] = [], path: readonly string[] = []) {
    this.recorded = recorded;
    this.#path = path;
  }

  /** The events alone, in order. */
  get events(): readonly BuildEvent[] {
    return this.recorded.map(({ event }) => event);
  }

  /** The events of one type, in order. */
  of<T extends BuildEvent["type"]>(type: T): Extract<BuildEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<BuildEvent, { type: T }> => event.type === type);
  }

  /** All text of one stream, or of both in the order it came. */
  output(stream?: "stdout" | "stderr"): string {
    return this.of("output")
      .filter((event) => stream === undefined || event.stream === stream)
      .map(({ text }) => text)
      .join("");
  }

  /** Spans in the order they ended, as `name` or `name failed`. */
  endedSpans(): string[] {
    return this.of("span-ended").map(({ name, ok }) => (ok ? name : `${name} failed`));
  }

  emit(event: BuildEvent): void {
    this.recorded.push({ span: this.#path, event });
  }

  async span<T>(
    { name, kind }: { readonly name: string; readonly kind: SpanKind },
    work: (journal: Journal) => Promise<T>,
  ): Promise<T> {
    this.emit({ type: "span-started", name, kind });
    let ok = false;
    try {
      const result = await work(new RecordingJournal(this.recorded, [...this.#path, name]));
      ok = true;
      return result;
    } finally {
      this.emit({ type: "span-ended", name, kind, ok, durationMs: 0 });
    }
  }
}
