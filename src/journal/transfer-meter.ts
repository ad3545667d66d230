/** Rates come from the last seconds only: a mean over the whole transfer hides that it has stalled. */
const WINDOW_MS = 5_000;
/** Below this much time between the samples, a rate would jump. */
const MIN_SPAN_MS = 400;

export interface TransferState {
  readonly doneBytes: number;
  /** 0 when nobody knows. */
  readonly totalBytes: number;
  readonly elapsedMs: number;
  /** Undefined until there is enough to say. */
  readonly bytesPerSecond: number | undefined;
  readonly remainingMs: number | undefined;
}

/** Follows one transfer. */
export interface TransferMeter {
  update(nowMs: number, doneBytes: number, totalBytes: number): void;
  state(nowMs: number): TransferState;
}

export function createTransferMeter(startedMs: number): TransferMeter {
  let samples: readonly { readonly atMs: number; readonly bytes: number }[] = [];
  let done = 0;
  let total = 0;

  const rate = (nowMs: number): number | undefined => {
    const [first] = samples;
    if (!first || nowMs - first.atMs < MIN_SPAN_MS) return undefined;
    return ((done - first.bytes) / (nowMs - first.atMs)) * 1_000;
  };
  return {
    update(nowMs, doneBytes, totalBytes) {
      done = doneBytes;
      total = totalBytes;
      const recent = samples.filter(({ atMs }) => nowMs - atMs <= WINDOW_MS);
      const last = recent.at(-1);
      // One sample per tenth of a second bounds the list, however often progress is reported.
      samples = last && nowMs - last.atMs < 100 ? recent : [...recent, { atMs: nowMs, bytes: doneBytes }];
    },
    state(nowMs) {
      const bytesPerSecond = rate(nowMs);
      const known = bytesPerSecond !== undefined && bytesPerSecond > 0 && total > done;
      return {
        doneBytes: done,
        totalBytes: total,
        elapsedMs: nowMs - startedMs,
        bytesPerSecond,
        remainingMs: known ? ((total - done) / bytesPerSecond) * 1_000 : undefined,
      };
    },
  };
}
