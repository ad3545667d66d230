import { accessSync, constants, readFileSync } from "node:fs";
import { availableParallelism, freemem } from "node:os";
import type { Environment } from "../core/environment.ts";
import type { Plan } from "../core/plan.ts";
import { ARCHES } from "../core/platform.ts";
import { preferredArch } from "./preferred-arch.ts";

const MIB = 1024 ** 2;
/** Of the memory that is available when the run begins; the rest is for the page cache and everybody else. */
const SHARE = 0.8;

/** What machines take of a host, or may take together. */
export interface HostShare {
  readonly memoryMiB: number;
  readonly processors: number;
}

/** Admits machines to this host. */
export interface MachineSlots {
  /** Waits until the host has memory and processors for one more machine. The slot is free again after disposal. */
  take(share: HostShare, signal: AbortSignal): Promise<AsyncDisposable>;
}

/**
 * Machines run side by side as long as their memory and their processors fit together; one always runs, however large. Those
 * that wait are served in the order in which they came, so that a large one is not passed for ever.
 *
 * @param budget what all of them may use together.
 */
export function machineSlots(budget: HostShare): MachineSlots {
  const waiting: { readonly share: HostShare; readonly start: () => void }[] = [];
  let running = 0;
  let used: HostShare = { memoryMiB: 0, processors: 0 };
  const fits = ({ memoryMiB, processors }: HostShare): boolean =>
    used.memoryMiB + memoryMiB <= budget.memoryMiB && used.processors + processors <= budget.processors;
  const admit = (): void => {
    for (let first = waiting[0]; first; first = waiting[0]) {
      if (running > 0 && !fits(first.share)) return;
      waiting.shift();
      running += 1;
      used = added(used, first.share, 1);
      first.start();
    }
  };
  const leave = (share: HostShare): void => {
    running -= 1;
    used = added(used, share, -1);
    admit();
  };
  return {
    async take(share, signal) {
      signal.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<undefined>();
      const turn = { share, start: () => resolve(undefined) };
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
          if (!left) leave(share);
          left = true;
          return Promise.resolve();
        },
      };
    },
  };
}

function added(used: HostShare, { memoryMiB, processors }: HostShare, sign: 1 | -1): HostShare {
  return { memoryMiB: used.memoryMiB + sign * memoryMiB, processors: used.processors + sign * processors };
}

/** What machines of one run may use of this host: all processors, and the memory that the environment says or most of what is free. */
export function hostBudget({ memoryGiB }: Pick<Environment, "memoryGiB">): HostShare {
  const memoryMiB = memoryGiB === undefined ? (availableBytes() * SHARE) / MIB : memoryGiB * 1024;
  return { memoryMiB: Math.floor(memoryMiB), processors: availableParallelism() };
}

interface Machined {
  readonly machine: Pick<Plan["machine"], "memoryMiB" | "cpus">;
  readonly disk: { readonly platform: Pick<Plan["disk"]["platform"], "arch"> };
}

/**
 * What a plan's machine takes. An emulated one has one processor, see `cpuArguments`; what has the host's architecture and may
 * open /dev/kvm is not emulated, or rarely.
 */
export function machineShare({ machine, disk }: Machined, canUseKvm: () => boolean = opensKvm): HostShare {
  const { arch } = disk.platform;
  const native = preferredArch(ARCHES, process.arch) === arch;
  return { memoryMiB: machine.memoryMiB, processors: native && canUseKvm() ? machine.cpus : 1 };
}

function opensKvm(): boolean {
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
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
