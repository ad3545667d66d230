import { readFileSync } from "node:fs";
import { freemem } from "node:os";

const MIB = 1024 ** 2;
/** Of the memory that is available when the run begins; the rest is for the page cache and everybody else. */
const SHARE = 0.8;

/** Admits machines to this host. */
export interface MachineSlots {
  /** Waits until the host has memory for one more machine. The slot is free again after disposal. */
  take(memoryMiB: number, signal: AbortSignal): Promise<AsyncDisposable>;
}

/**
 * Machines run side by side as long as their memory fits together; one always runs, however large. Those that wait are served
 * in the order in which they came, so that a large one is not passed for ever.
 *
 * @param budgetMiB what all of them may use together.
 */
export function machineSlots(budgetMiB: number): MachineSlots {
  const waiting: { readonly memoryMiB: number; readonly start: () => void }[] = [];
  let running = 0;
  let usedMiB = 0;
  const admit = (): void => {
    for (let first = waiting[0]; first; first = waiting[0]) {
      if (running > 0 && usedMiB + first.memoryMiB > budgetMiB) return;
      waiting.shift();
      running += 1;
      usedMiB += first.memoryMiB;
      first.start();
    }
  };
  const leave = (memoryMiB: number): void => {
    running -= 1;
    usedMiB -= memoryMiB;
    admit();
  };
  return {
    async take(memoryMiB, signal) {
      signal.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<undefined>();
      const turn = { memoryMiB, start: () => resolve(undefined) };
      const stop = (): void => {
        const index = waiting.indexOf(turn);
        if (index < 0) return;
        waiting.splice(index, 1);
        reject(signal.reason as Error);
      };
      signal.addEventListener("abort", stop, { once: true });
      waiting.push(turn);
      admit();
      try {
        await promise;
      } finally {
        signal.removeEventListener("abort", stop);
      }
      let left = false;
      return {
        [Symbol.asyncDispose]: () => {
          if (!left) leave(memoryMiB);
          left = true;
          return Promise.resolve();
        },
      };
    },
  };
}

/** What machines of one run may use of this host's memory, in MiB. */
export function memoryBudgetMiB(): number {
  return Math.floor((availableBytes() * SHARE) / MIB);
}

/** What the kernel could give away without swapping; it counts the page cache, which `free` memory does not. */
function availableBytes(): number {
  try {
    const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
    return kib === undefined ? freemem() : Number(kib) * 1024;
  } catch {
    return freemem();
  }
}
