import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { KvciError } from "../core/error.ts";
import { shellQuote } from "../machine/shell-quote.ts";
import type { VirtualMachine } from "./boot-request.ts";

const migration = z.object({ status: z.string().optional(), "error-desc": z.string().optional() });
const runState = z.object({ status: z.string() });

/** Bytes per second; the limit is for networks, and the state goes to a file. */
const MAX_BANDWIDTH = 64 * 1024 ** 3;
/** Memory goes at some 400 MB/s through zstd on two cores: this is for 100 GB and more. */
const SAVE_MS = 10 * 60_000;
const LOAD_MS = 10 * 60_000;
const ASK_EVERY_MS = 20;

/**
 * Writes the memory of a machine that stands still into `path`, compressed. The machine can go on afterwards.
 * `path` may hold a broken state when this throws.
 *
 * @throws {KvciError} `guest-died` with QEMU's words, also when the disk is full
 */
export async function saveMemory(vm: VirtualMachine, path: string, signal: AbortSignal): Promise<void> {
  await vm.qmp("migrate-set-parameters", { "max-bandwidth": MAX_BANDWIDTH });
  // Memory holds the build's keys, so nobody else may read it.
  await vm.qmp("migrate", { uri: `exec:umask 077; zstd -1 -q -f -T0 -o ${shellQuote(path)}` });
  const deadline = performance.now() + SAVE_MS;
  for (;;) {
    const { status, "error-desc": why } = migration.parse(await vm.qmp("query-migrate"));
    if (status === "completed") return;
    if (status === "failed" || status === "cancelled") {
      throw failed(`QEMU could not save the machine's memory: ${why ?? status}`);
    }
    if (performance.now() > deadline) throw failed("saving the machine's memory did not end");
    await delay(ASK_EVERY_MS, undefined, { signal });
  }
}

/**
 * Waits until a machine that was started with a memory state has read it, and lets it go on.
 *
 * @throws {KvciError} `guest-died` when QEMU does not take the state
 */
export async function resumeFromMemory(vm: VirtualMachine, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + LOAD_MS;
  for (;;) {
    const { status } = runState.parse(await Promise.race([vm.qmp("query-status"), vm.died]));
    if (status === "paused" || status === "prelaunch") break;
    if (status === "running") return;
    if (performance.now() > deadline) throw failed(`reading the machine's memory did not end: ${status}`);
    await Promise.race([delay(ASK_EVERY_MS, undefined, { signal }), vm.died]);
  }
  await vm.qmp("cont");
}

function failed(message: string): KvciError {
  return new KvciError("guest-died", message, {
    hint: "The machine is booted instead; see QEMU's messages in the journal.",
  });
}
