/** Where a journal takes its times from. Wall time stamps events; durations come from a clock that never steps back. */
export interface Clock {
  readonly now: () => Date;
  /** Milliseconds since some fixed point. */
  readonly monotonicMs: () => number;
}

export const systemClock: Clock = { now: () => new Date(), monotonicMs: () => performance.now() };

/** Calls `work` every `intervalMs` until the returned function is called. */
export type Ticker = (intervalMs: number, work: () => void) => () => void;

/** A ticker that never keeps the process alive by itself. */
export const systemTicker: Ticker = (intervalMs, work) => {
  const timer = setInterval(work, intervalMs);
  timer.unref();
  return () => {
    clearInterval(timer);
  };
};
