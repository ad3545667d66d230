import type { Journal } from "../core/journal.ts";

/** A package manager pauses for less between two files. */
const QUIET_MS = 3_000;
const NAME = "fetched for the guest";

/** Tells what goes to the guest as one transfer, which ends when nothing was asked for for a while. */
export interface RelayProgress {
  begin(): void;
  add(bytes: number): void;
  end(): void;
  close(): void;
}

export function relayProgress(journal: Journal): RelayProgress {
  let [bytes, running] = [0, 0];
  let quiet: NodeJS.Timeout | undefined;
  const tell = (): void => {
    if (bytes > 0) journal.emit({ type: "transfer", name: NAME, doneBytes: bytes, totalBytes: bytes });
    bytes = 0;
  };
  return {
    begin: () => {
      running += 1;
      clearTimeout(quiet);
    },
    add: (count) => {
      bytes += count;
      journal.emit({ type: "transfer", name: NAME, doneBytes: bytes, totalBytes: 0 });
    },
    end: () => {
      running -= 1;
      if (running === 0) quiet = setTimeout(tell, QUIET_MS).unref();
    },
    close: () => {
      clearTimeout(quiet);
      tell();
    },
  };
}
