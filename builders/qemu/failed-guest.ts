import { copyFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { withDisposal } from "../../src/core/disposal.ts";
import { messageOf } from "../../src/core/error.ts";
import type { Journal } from "../../src/core/journal.ts";
import { digestOfFile } from "../../src/host/file-digest.ts";
import type { HostHypervisor } from "../../src/qemu/boot-request.ts";
import { saveMemory } from "../../src/qemu/memory-state.ts";
import type { SshGuest } from "../../src/qemu/ssh-guest.ts";
import type { FailedStep } from "./failed-step.ts";
import { machineShape } from "./machine-shape.ts";
import { KEPT_FILES, putKeptGuest, type KeptState } from "./kept-guest.ts";

/** A guest that hangs is kept nevertheless. */
const SYNC_MS = 10_000;

/**
 * Keeps the guest as a failed step left it: it is paused, its memory saved, QEMU ended, and its disk and memory moved into the
 * store. A guest that died, or whose memory cannot be saved, is kept as its disk alone.
 *
 * @returns what was kept; undefined when keeping it would only do harm: the store is full.
 * @throws {KvciError} `store-full`, `store-unusable`, `interrupted`
 */
export async function keepGuest(failed: FailedStep): Promise<KeptState | undefined> {
  const { context, machine, step, error } = failed;
  if (error.code === "store-full") return undefined;
  const { ports, request, journal } = context;
  const { plan, base, signal } = request;
  return withDisposal(await ports.store.temporaryFolder("kept"), async ({ path: folder }) => {
    const known = {
      machine: { ...plan.machine, directBoot: base.directBoot },
      arch: plan.disk.platform.arch,
      identity: base.identity,
    };
    const { vm } = machine.guest;
    // What died would be restored dead.
    const memory =
      error.code === "guest-died"
        ? undefined
        : await keepMemory(machine.guest, { folder, known, hypervisor: ports.hypervisor, journal, signal });
    await vm[Symbol.asyncDispose]();
    // The disk stands on layers that may still be on their way into the store.
    await machine.settled();
    await rename(machine.overlayFile, join(folder, KEPT_FILES.disk));
    if (machine.firmwareVars !== undefined) await copyFile(machine.firmwareVars, join(folder, KEPT_FILES.firmwareVars));
    const state: KeptState = {
      schema: "kvci-build/kept-guest",
      version: 1,
      template: plan.template,
      step: step.name,
      error: { code: error.code, message: error.message },
      keptAt: new Date(ports.now()).toISOString(),
      keys: machine.identity.keys,
      ...known,
      ...(request.network.isolated && { isolated: true }),
      ...(memory && { memory }),
    };
    await putKeptGuest(ports.store, folder, { state, context: { signal, journal }, signal });
    return state;
  });
}

export interface KeepMemory {
  readonly folder: string;
  readonly known: Pick<KeptState, "machine" | "arch" | "identity">;
  readonly hypervisor: HostHypervisor;
  readonly journal: Journal;
  readonly signal: AbortSignal;
}

/**
 * Pauses a machine for good and writes its memory into `folder`.
 *
 * @returns what says later whether the memory is whole and fits; undefined, with a warning, when it could not be saved.
 */
export async function keepMemory(guest: SshGuest, keep: KeepMemory): Promise<KeptState["memory"]> {
  const { folder, known, hypervisor, journal, signal } = keep;
  const { vm } = guest;
  if (vm.ended) return undefined;
  // For the day when the memory does not do any more: what was written is then on the disk.
  await guest.exec(["sync"], { timeoutMs: SYNC_MS, signal }).catch(() => undefined);
  const path = join(folder, KEPT_FILES.memory);
  try {
    await vm.qmp("stop");
    await saveMemory(vm, path, signal);
    const fingerprint = await hypervisor.fingerprint(machineShape(known), signal);
    return { fingerprint, digest: await digestOfFile(path, "sha256", signal) };
  } catch (error) {
    if (signal.aborted) throw error;
    await rm(path, { force: true });
    const detail = `its memory could not be saved, so that its disk alone is kept: ${messageOf(error)}`;
    journal.emit({ type: "warning", subject: "failed guest", detail });
    return undefined;
  }
}
