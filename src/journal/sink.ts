import type { StampedEvent } from "../core/event.ts";

/** One reader of a journal: a renderer or a file. It never changes an event, and may throw without harming the build. */
export interface Sink {
  write(event: StampedEvent): void;
  /** Takes whatever is redrawn off the screen. @returns what brings it back; nothing is written before. */
  suspend?(): () => void;
  /** Writes out what is held back and lets go of files, timers and the terminal. */
  close?(): Promise<void>;
}
