import type { StampedEvent } from "../core/event.ts";
import type { Sink } from "./sink.ts";

/** A renderer that can leave the screen to somebody else for a while. */
export interface PausableSink extends Sink {
  /** From now on nothing is shown. @returns what shows the events that came meanwhile, and goes on. */
  pause(): () => void;
}

/** Other builds may go on for hours behind a session; of what their commands print, this much is remembered. */
const MAX_HELD_OUTPUT = 1_000;

/** A sink that holds events back while it is paused. Their output may have gaps then, which every journal file has whole. */
export function pausableSink(sink: Sink): PausableSink {
  let pauses = 0;
  let held: StampedEvent[] = [];
  let heldOutput = 0;
  const hold = (stamped: StampedEvent): void => {
    const { type } = stamped.event;
    if (type === "transfer") return;
    if (type === "output") heldOutput += 1;
    if (type !== "output" || heldOutput <= MAX_HELD_OUTPUT) held.push(stamped);
  };
  const release = (): void => {
    const events = held;
    held = [];
    heldOutput = 0;
    for (const stamped of events) sink.write(stamped);
  };
  return {
    write(stamped) {
      if (pauses > 0) hold(stamped);
      else sink.write(stamped);
    },
    pause() {
      const resume = sink.suspend?.();
      pauses += 1;
      return () => {
        pauses -= 1;
        resume?.();
        if (pauses === 0) release();
      };
    },
    async close() {
      release();
      await sink.close?.();
    },
  };
}
