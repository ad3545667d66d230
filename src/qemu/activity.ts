import { z } from "zod";
import type { VirtualMachine } from "./boot-request.ts";
import { consoleBytes } from "./console-alarm.ts";

const blockStats = z.array(z.object({ stats: z.object({ rd_operations: z.int(), wr_operations: z.int() }) }));

/** How often a machine is looked at; both questions cost next to nothing. */
const LOOK_EVERY_MS = 5_000;

/**
 * Tells a machine that is slow from one that stands still: a boot writes to its console or uses its disk all the time. Returns a
 * function that says for how many milliseconds nothing has happened.
 */
export function watchActivity(vm: VirtualMachine, lookEveryMs = LOOK_EVERY_MS): () => Promise<number> {
  let seen = "";
  let sinceMs = performance.now();
  let lookedMs = -Infinity;
  return async () => {
    const now = performance.now();
    if (now - lookedMs < lookEveryMs) return now - sinceMs;
    lookedMs = now;
    const signs = await signsOf(vm);
    if (signs !== seen) [seen, sinceMs] = [signs, now];
    return now - sinceMs;
  };
}

async function signsOf(vm: VirtualMachine): Promise<string> {
  const console = await consoleBytes(vm.serialLog);
  const blocks = blockStats.safeParse(await vm.qmp("query-blockstats").catch(() => []));
  const operations = (blocks.data ?? []).map(({ stats }) => stats.rd_operations + stats.wr_operations);
  return JSON.stringify([console, ...operations]);
}
