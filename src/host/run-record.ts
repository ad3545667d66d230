import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import type { Journal } from "../core/journal.ts";
import { isAlive, processesWith, processId } from "./process-table.ts";

/** In the environment of everything a run starts; how a killed run's processes are found. */
export const RUN_VARIABLE = "KVCI_BUILD_RUN";

const record = z.object({ pid: z.int(), startTicks: z.int(), command: z.string() });

/** mmdebstrap unmounts what it mounted before it ends on SIGTERM. */
const TERM_MS = 8_000;

/**
 * Notes this run in the store, so that the next one can tell that it was killed and end what it left.
 * Disposal removes the note: after an orderly end there is nothing to find.
 */
export async function recordRun(
  storeRoot: string,
  run: { readonly id: string; readonly command: string },
): Promise<AsyncDisposable> {
  const self = await processId(process.pid);
  const path = join(storeRoot, "runs", `${run.id}.json`);
  // Whole from the first moment: half a note would be taken for that of a killed run, and this run be ended.
  const growing = join(storeRoot, "tmp", `${run.id}.json`);
  try {
    await writeFile(growing, JSON.stringify({ ...self, command: run.command }));
    await rename(growing, path);
  } catch (error) {
    await rm(growing, { force: true });
    throw error;
  }
  return {
    async [Symbol.asyncDispose]() {
      await rm(join(storeRoot, "tmp", run.id), { recursive: true, force: true });
      await rm(path, { force: true });
    },
  };
}

/**
 * Ends the processes and removes the temporary files of runs that were killed (kill -9, power cut). Runs that are alive
 * are left alone.
 */
export async function removeLeftovers(storeRoot: string, journal: Journal): Promise<void> {
  for (const name of await readdir(join(storeRoot, "runs"))) {
    const path = join(storeRoot, "runs", name);
    const parsed = record.safeParse(await readJson(path));
    if (parsed.success && (await isAlive(parsed.data))) continue;
    const id = name.replace(/\.json$/, "");
    await endProcesses(`${RUN_VARIABLE}=${id}`, journal);
    await rm(join(storeRoot, "tmp", id), { recursive: true, force: true });
    await rm(path, { force: true });
    journal.emit({ type: "leftover-removed", what: `temporary files of the killed run ${id}` });
  }
}

async function endProcesses(variable: string, journal: Journal): Promise<void> {
  const processes = await processesWith(variable);
  for (const { pid, command } of processes) {
    journal.emit({ type: "leftover-removed", what: `process ${command} (pid ${String(pid)})` });
    kill(pid, "SIGTERM");
  }
  const deadline = performance.now() + TERM_MS;
  while (performance.now() < deadline && (await processesWith(variable)).length > 0) await delay(50);
  for (const { pid } of await processesWith(variable)) kill(pid, "SIGKILL");
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended in between.
  }
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch {
    return undefined;
  }
}
