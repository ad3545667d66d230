import { readFile, rm } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { KvciError } from "../core/error.ts";
import { exists } from "../host/exists.ts";
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
/** For a compressor that failed to say why. */
const LAST_WORDS_MS = 2_000;

/**
 * Writes the memory of a machine that stands still into `path`, compressed. The machine can go on afterwards. `path` is there
 * whole or not at all.
 *
 * @throws {KvciError} `guest-died` with QEMU's and the compressor's words, also when the disk is full
 */
export async function saveMemory(vm: VirtualMachine, path: string, signal: AbortSignal): Promise<void> {
  const [part, end, words] = [`${path}.part`, `${path}.end`, `${path}.error`] as const;
  // Memory holds the build's keys, so nobody else may read it. QEMU does not look at how the compressor ended, and may call the
  // memory saved while that still writes.
  const compress = `zstd -1 -q -f -T0 -o ${shellQuote(part)} 2> ${shellQuote(words)}`;
  const command = `umask 077; ${compress} && mv ${shellQuote(part)} ${shellQuote(path)}; : > ${shellQuote(end)}`;
  const deadline = performance.now() + SAVE_MS;
  try {
    await vm.qmp("migrate-set-parameters", { "max-bandwidth": MAX_BANDWIDTH });
    await vm.qmp("migrate", { uri: `exec:${command}` });
    const failure = await migrated(vm, { deadline, signal });
    const last = failure === undefined ? deadline : performance.now() + LAST_WORDS_MS;
    while (!(await exists(end)) && performance.now() < last) await delay(ASK_EVERY_MS, undefined, { signal });
    if (failure === undefined && (await exists(path))) return;
    const said = (await readFile(words, "utf8").catch(() => "")).trim();
    const why = [failure, said].filter((text) => text !== undefined && text !== "").join("; ");
    throw failed(`QEMU could not save the machine's memory: ${why}`);
  } finally {
    for (const each of [part, end, words]) await rm(each, { force: true });
  }
}

/** Waits until QEMU has given all memory away; returns what went wrong, if anything did. */
async function migrated(
  vm: VirtualMachine,
  { deadline, signal }: { readonly deadline: number; readonly signal: AbortSignal },
): Promise<string | undefined> {
  for (;;) {
    const { status, "error-desc": why } = migration.parse(await vm.qmp("query-migrate"));
    if (status === "completed") return undefined;
    if (status === "failed" || status === "cancelled") return why ?? status;
    if (performance.now() > deadline) return "it did not end";
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
