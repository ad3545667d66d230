import { randomUUID } from "node:crypto";
import { copyFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { disposedOnError, withDisposal } from "../../src/core/disposal.ts";
import { KvciError, messageOf } from "../../src/core/error.ts";
import type { Journal } from "../../src/core/journal.ts";
import { exists } from "../../src/host/exists.ts";
import { digestOfFile } from "../../src/host/file-digest.ts";
import { runProgram } from "../../src/host/program.ts";
import type { BootRequest, HostHypervisor, VirtualMachine } from "../../src/qemu/boot-request.ts";
import { firmwareVarsOf } from "../../src/qemu/hypervisor.ts";
import { resumeFromMemory } from "../../src/qemu/memory-state.ts";
import { SshGuest } from "../../src/qemu/ssh-guest.ts";
import type { Access } from "../../src/qemu/reach.ts";
import { openInChain } from "../../src/store/chain-links.ts";
import type { Store } from "../../src/store/store.ts";
import { keepMemory } from "./failed-guest.ts";
import { settle, wake } from "./guest-scripts.ts";
import { buildIdentity } from "./identity.ts";
import { machineShape } from "./machine-shape.ts";
import { KEPT_FILES, lockOf, putKeptGuest, type KeptGuest } from "./kept-guest.ts";

/** As long as a build gives a boot without KVM. */
const BOOT_MS = 15 * 60_000;
const STALL_MS = 120_000;
/** A restored guest only has to answer: two seconds without KVM. */
const RESTORED_MS = 60_000;
/** Copying runs at some 100 MB/s at least. */
const COPY_MS = 60 * 60_000;

export interface KeptGuestPorts {
  readonly store: Store;
  readonly hypervisor: HostHypervisor;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Hexadecimal digits from the host's random number generator. */
  readonly entropy: () => string;
  readonly journal: Journal;
  readonly signal: AbortSignal;
}

/** A kept guest that runs again, on a copy of its disk: what was kept stays as it is unless it is kept anew. */
export interface AwakeGuest {
  readonly guest: SshGuest;
  readonly access: Access;
  /** False when it had to be booted: then the disk is as the step left it, what was in memory is gone. */
  readonly resumed: boolean;
  /** Keeps it as it is now in the place of what was kept, and ends it. */
  keep(): Promise<void>;
}

/**
 * Lets a kept guest go on, in the present, while `work` runs; booted from its disk when its memory does not do. No process is
 * left afterwards.
 *
 * @throws {KvciError} `guest-not-ready`, `guest-died`, `store-full`, `program-failed`, `interrupted`
 */
export async function withKeptGuest<T>(
  kept: KeptGuest,
  ports: KeptGuestPorts,
  work: (awake: AwakeGuest) => Promise<T>,
): Promise<T> {
  return withDisposal(await ports.store.temporaryFolder("kept-awake"), async ({ path: folder }) => {
    const start = prepare(kept, folder, ports);
    const { guest, resumed } = await withDisposal(await lockOf(ports.store, kept.state, ports.signal), () =>
      wakeOrBoot(kept, start, ports),
    );
    return withDisposal(guest, () =>
      work({ guest, access: start.access, resumed, keep: () => keepAnew(kept, { folder, guest }, ports) }),
    );
  });
}

interface Start {
  readonly request: BootRequest;
  readonly access: Access;
}

function prepare({ state }: KeptGuest, folder: string, { signal }: KeptGuestPorts): Start {
  const { access, boot } = buildIdentity(state, state.template, state.keys);
  const files = { disk: join(folder, KEPT_FILES.disk), workDir: folder, serialLog: join(folder, "serial.log") };
  const network = state.isolated ? "isolated" : "direct";
  return { access, request: { ...machineShape(state), ...boot, ...files, network, signal } };
}

async function wakeOrBoot(
  kept: KeptGuest,
  start: Start,
  ports: KeptGuestPorts,
): Promise<{ readonly guest: SshGuest; readonly resumed: boolean }> {
  const unfit = await whyNotItsMemory(kept, ports);
  if (unfit === undefined) {
    try {
      return { guest: await resumeGuest(kept, start, ports), resumed: true };
    } catch (error) {
      if (ports.signal.aborted) throw error;
      warn(ports, `it did not go on from its memory (${messageOf(error)})`);
    }
  } else warn(ports, unfit);
  return { guest: await bootGuest(kept, start, ports), resumed: false };
}

function warn({ journal }: KeptGuestPorts, why: string): void {
  const detail = `${why}; booting its disk instead: what was in memory and in /run is gone`;
  journal.emit({ type: "warning", subject: "kept guest", detail });
}

/** Why the guest cannot go on from where it stood; undefined when it can be tried. */
async function whyNotItsMemory({ state, folder }: KeptGuest, ports: KeptGuestPorts): Promise<string | undefined> {
  if (!state.memory) return "its memory was not kept";
  const { signal, hypervisor } = ports;
  if ((await hypervisor.fingerprint(machineShape(state), signal)) !== state.memory.fingerprint) {
    return "its memory is of another QEMU, accelerator or processor";
  }
  const path = join(folder, KEPT_FILES.memory);
  if (!(await exists(path))) return "its memory is gone";
  return (await digestOfFile(path, "sha256", signal)) === state.memory.digest ? undefined : "its memory is damaged";
}

async function resumeGuest(kept: KeptGuest, start: Start, ports: KeptGuestPorts): Promise<SshGuest> {
  const { signal, now, entropy } = ports;
  const memory = join(kept.folder, KEPT_FILES.memory);
  return starting({ kept, ports, request: { ...start.request, memory } }, async (vm) => {
    await resumeFromMemory(vm, signal);
    const guest = await SshGuest.await(vm, { access: start.access, timeoutMs: RESTORED_MS, signal });
    await wake(guest, { now, entropy: entropy() }, { timeoutMs: RESTORED_MS, signal });
    return guest;
  });
}

async function bootGuest(kept: KeptGuest, start: Start, ports: KeptGuestPorts): Promise<SshGuest> {
  const { signal } = ports;
  const timeoutMs = BOOT_MS;
  return starting({ kept, ports, request: start.request }, (vm) =>
    SshGuest.await(vm, {
      access: start.access,
      timeoutMs,
      stallMs: STALL_MS,
      signal,
      settle: (machine) => settle(machine, { timeoutMs, signal }),
    }),
  );
}

interface Starting {
  readonly kept: KeptGuest;
  readonly request: BootRequest;
  readonly ports: KeptGuestPorts;
}

/** Starts the machine on a fresh copy of what was kept; ends it when `answered` fails. */
async function starting(
  { kept: { folder }, request, ports }: Starting,
  answered: (vm: VirtualMachine) => Promise<SshGuest>,
): Promise<SshGuest> {
  const { signal, journal, hypervisor } = ports;
  const disk = join(folder, KEPT_FILES.disk);
  // A copy of the overlay alone, opened among the links of the store where its backing name holds.
  await runProgram(["cp", "--reflink=auto", "--sparse=always", disk, request.disk], { signal, timeoutMs: COPY_MS });
  const vars = join(folder, KEPT_FILES.firmwareVars);
  const firmwareVars = (await exists(vars)) ? vars : undefined;
  const link = await openInChain(ports.store.root, `kept-${randomUUID()}`, request.disk);
  const vm = await hypervisor.boot({ ...request, disk: link, firmwareVars }, journal);
  return disposedOnError(vm, answered);
}

async function keepAnew(
  { state }: KeptGuest,
  { folder, guest }: { readonly folder: string; readonly guest: SshGuest },
  { store, hypervisor, journal, signal, now }: KeptGuestPorts,
): Promise<void> {
  await withDisposal(await store.temporaryFolder("kept"), async ({ path }) => {
    const memory = await keepMemory(guest, { folder: path, known: state, hypervisor, journal, signal });
    await guest.vm[Symbol.asyncDispose]();
    await rename(join(folder, KEPT_FILES.disk), join(path, KEPT_FILES.disk));
    const vars = firmwareVarsOf(folder);
    if (await exists(vars)) await copyFile(vars, join(path, KEPT_FILES.firmwareVars));
    const anew = { ...state, keptAt: new Date(now()).toISOString(), memory };
    await putKeptGuest(store, path, { state: anew, context: { signal, journal }, signal });
  });
}

/** What to say when there is no kept guest. */
export function noKeptGuest(template: string): KvciError {
  return new KvciError("build-not-found", `no guest of template "${template}" is kept`, {
    hint: `One is kept when a step fails: kvci-build template ${template} --on-error keep`,
  });
}
