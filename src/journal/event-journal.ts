import { messageOf } from "../core/error.ts";
import type { BuildEvent, StampedEvent } from "../core/event.ts";
import type { Journal } from "../core/journal.ts";
import { systemClock, type Clock } from "./clock.ts";
import type { Sink } from "./sink.ts";

export interface JournalOptions {
  /** What every event is stamped with: template and architecture. */
  readonly build: string;
  readonly sinks: readonly Sink[];
  readonly clock?: Clock;
}

/** The journal of one build; other builds can share its sinks. */
export interface BuildJournal extends Journal {
  /** The journal of another build: it writes to the sinks of this one and to `sinks`, which see that build only. */
  forBuild(options: { readonly build: string; readonly sinks?: readonly Sink[] }): BuildJournal;
  /** Closes the sinks given to this journal, not those it shares. A sink that cannot close is left behind. */
  close(): Promise<void>;
}

/**
 * A journal that stamps every event with time, build and span path and hands it to every sink at once. It keeps nothing,
 * so its memory does not grow with the build. A sink that throws is reported once, as a warning to the others.
 */
export function createJournal({ build, sinks, clock = systemClock }: JournalOptions): BuildJournal {
  return buildJournal({ build, clock, own: sinks, all: sinks, reported: new WeakSet() });
}

interface Context {
  readonly build: string;
  readonly clock: Clock;
  readonly own: readonly Sink[];
  readonly all: readonly Sink[];
  /** Sinks whose failure has been told. */
  readonly reported: WeakSet<Sink>;
}

function buildJournal(context: Context): BuildJournal {
  return {
    ...spanJournal(context, []),
    forBuild: ({ build, sinks = [] }) =>
      buildJournal({ ...context, build, own: sinks, all: [...context.all, ...sinks] }),
    close: async () => {
      // A log that cannot be closed must not turn a good build into a failed one, nor hide why a bad one failed.
      await Promise.allSettled(context.own.map(async (sink) => sink.close?.()));
    },
  };
}

function spanJournal(context: Context, path: readonly string[]): Journal {
  const emit = (event: BuildEvent): void => {
    send(context, { at: context.clock.now().toISOString(), build: context.build, span: path, event });
  };
  return {
    emit,
    async span({ name, kind }, work) {
      const startedMs = context.clock.monotonicMs();
      let ok = false;
      emit({ type: "span-started", name, kind });
      try {
        const result = await work(spanJournal(context, [...path, name]));
        ok = true;
        return result;
      } finally {
        emit({ type: "span-ended", name, kind, ok, durationMs: Math.round(context.clock.monotonicMs() - startedMs) });
      }
    },
  };
}

function send(context: Context, stamped: StampedEvent): void {
  for (const sink of context.all) {
    try {
      sink.write(stamped);
    } catch (error) {
      reportFailure(context, { sink, error, at: stamped });
    }
  }
}

function reportFailure(context: Context, failure: { sink: Sink; error: unknown; at: StampedEvent }): void {
  if (context.reported.has(failure.sink)) return;
  context.reported.add(failure.sink);
  const detail = `part of this build's log is lost: ${messageOf(failure.error)}`;
  send(context, { ...failure.at, event: { type: "warning", subject: "journal", detail } });
}
