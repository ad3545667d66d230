import { constants } from "node:fs";
import { copyFile } from "node:fs/promises";
import type { Digest } from "../../src/core/digest.ts";
import { disposedOnError } from "../../src/core/disposal.ts";
import { KvciError } from "../../src/core/error.ts";
import type { Journal } from "../../src/core/journal.ts";
import type { Accelerator, VirtualMachine } from "../../src/qemu/boot-request.ts";
import { consoleBytes } from "../../src/qemu/console-alarm.ts";
import { firmwareVarsOf } from "../../src/qemu/hypervisor.ts";
import { resumeFromMemory } from "../../src/qemu/memory-state.ts";
import { SshGuest, type Way } from "../../src/qemu/ssh-guest.ts";
import type { Layer } from "../../src/store/layer.ts";
import type { BuildContext } from "./build-context.ts";
import { bootRequestOf, BuildMachine, newDraft, type CurrentDisk, type MachineParts } from "./build-machine.ts";
import { settle, wake } from "./guest-scripts.ts";
import { GuestRelay } from "./guest-relay.ts";
import { buildIdentity, newKeys, type BuildIdentity } from "./identity.ts";
import { LayerQueue } from "./layer-queue.ts";
import type { WarmState } from "./warm-states.ts";

/** First boots run cloud-init and make keys: half a minute with KVM, some two without it on a quiet host. */
const READY_MS: Readonly<Record<Accelerator["name"], number>> = { kvm: 5 * 60_000, tcg: 15 * 60_000 };
/** A boot prints or reads something every second, every ten on an overloaded host. */
const STALL_MS = 120_000;
/** A restored guest only has to answer: two seconds without KVM. After this, booting is the surer way. */
const RESTORED_MS: Readonly<Record<Accelerator["name"], number>> = { kvm: 20_000, tcg: 60_000 };
/** An image may restart itself in its first boot, for instance when SELinux labels everything anew. */
const OWN_RESTARTS = 3;

/** Where a machine starts: on a layer, or on the base when there is none; and the layer it is to write. */
export interface StartPoint {
  readonly below: Layer | undefined;
  readonly key: Digest;
}

/**
 * Boots the disk as it is after `below`. A guest that comes to a stop on its way up is started once more from the same layer.
 *
 * @throws {KvciError} `guest-not-ready`, `guest-died`, `program-missing`, `interrupted`
 */
export async function bootMachine(context: BuildContext, start: StartPoint): Promise<BuildMachine> {
  try {
    return await bootOnce(context, start);
  } catch (error) {
    if (!(error instanceof KvciError) || error.code !== "guest-not-ready") throw error;
    context.journal.emit({ type: "warning", subject: "boot", detail: `${error.message}; starting it once more` });
    return bootOnce(context, start);
  }
}

async function bootOnce(context: BuildContext, start: StartPoint): Promise<BuildMachine> {
  const { request } = context;
  const identity = buildIdentity(request.base, request.plan.template, newKeys());
  return starting(context, { ...start, identity, justBooted: true }, async ({ disk, queue, journal }) => {
    const started = performance.now();
    const boot = (): Promise<VirtualMachine> =>
      context.ports.hypervisor.boot(bootRequestOf(context, identity, disk), journal);
    const way = wayIn(context, { identity, disk, queue, relay: new GuestRelay(request.network) });
    const guest = await firstAnswer({ boot, way, failed: await evidenceTaker(context, journal) });
    const address = `127.0.0.1:${String(guest.vm.sshPort)}`;
    journal.emit({ type: "guest-ready", afterMs: performance.now() - started, address });
    return guest;
  });
}

interface FirstBoot {
  readonly boot: () => Promise<VirtualMachine>;
  readonly way: (accelerator: Accelerator) => Way;
  /** Called with a machine that is given up. */
  readonly failed: (vm: VirtualMachine) => Promise<void>;
}

/** What takes the evidence of a boot that starts now. */
async function evidenceTaker({ request, ports }: BuildContext, journal: Journal): Promise<FirstBoot["failed"]> {
  const { serialLog, signal } = request;
  const consoleFrom = await consoleBytes(serialLog);
  return async (vm) => {
    if (!signal.aborted) await ports.bootFailed?.({ vm, serialLog, consoleFrom, journal });
  };
}

/** The guest once it answers, also when it restarts by itself before. */
async function firstAnswer({ boot, way, failed }: FirstBoot): Promise<SshGuest> {
  for (let restarts = 0; ; restarts += 1) {
    const vm = await boot();
    try {
      return await SshGuest.await(vm, way(vm.accelerator));
    } catch (error) {
      const again = vm.restarted && restarts < OWN_RESTARTS;
      if (!again) await failed(vm);
      await vm[Symbol.asyncDispose]();
      if (!again) throw error;
    }
  }
}

/**
 * Lets a machine go on from a warm state of `below`, in the present.
 *
 * @throws {KvciError} whatever did not work; the state is then not to be trusted, and the layer is to be booted.
 */
export async function restoreMachine(
  context: BuildContext,
  { below, key, state }: StartPoint & { readonly state: WarmState },
): Promise<BuildMachine> {
  const { request, ports } = context;
  const identity = buildIdentity(request.base, request.plan.template, state.keys);
  const { overlay } = state;
  return starting(context, { below, key, identity, overlay, justBooted: false }, async ({ disk, queue, journal }) => {
    const started = performance.now();
    const { memory, firmwareVars } = state;
    const vm = await ports.hypervisor.boot(
      { ...bootRequestOf(context, identity, disk), memory, firmwareVars },
      journal,
    );
    const { signal } = request;
    const timeoutMs = RESTORED_MS[vm.accelerator.name];
    const relay = new GuestRelay(request.network);
    const way = wayIn(context, { identity, disk, queue, relay })(vm.accelerator);
    return disposedOnError(vm, async () => {
      await resumeFromMemory(vm, signal);
      // What follows a boot was done before the state was saved.
      const guest = await SshGuest.await(vm, { ...way, timeoutMs, settleFirst: false });
      await wake(guest, { now: ports.now, entropy: ports.entropy(), relay: relay.url }, { timeoutMs, signal });
      const step = below?.step ?? "base";
      journal.emit({ type: "warm-state-restored", step, afterMs: performance.now() - started });
      return guest;
    });
  });
}

interface WayParts {
  readonly identity: BuildIdentity;
  readonly disk: CurrentDisk;
  readonly queue: LayerQueue;
  readonly relay: GuestRelay;
}

/** How a guest is reached, and how it comes up again when it restarts: in a new QEMU, on the disk it has by then. */
function wayIn(context: BuildContext, { identity, disk, queue, relay }: WayParts): (accelerator: Accelerator) => Way {
  const { signal, workDir } = context.request;
  return ({ name }) => ({
    access: identity.access,
    timeoutMs: READY_MS[name],
    stallMs: STALL_MS,
    signal,
    connected: (connection) => relay.open(connection),
    settle: (machine) => settle(machine, { relay: relay.url, timeoutMs: READY_MS[name], signal }),
    restart: async () => {
      // QEMU opens the chain anew, so the layers below have to be where the overlay says.
      await queue.settled();
      const request = { ...bootRequestOf(context, identity, disk), firmwareVars: firmwareVarsOf(workDir) };
      return context.ports.hypervisor.boot(request, context.journal);
    },
  });
}

/** Gives a starting guest its overlay; what was made so far goes when the guest does not come up. */
async function starting(
  context: BuildContext,
  {
    below,
    key,
    identity,
    justBooted,
    overlay,
  }: StartPoint & Pick<MachineParts, "identity" | "justBooted"> & { readonly overlay?: string | undefined },
  start: (parts: { disk: CurrentDisk; queue: LayerQueue; journal: Journal }) => Promise<SshGuest>,
): Promise<BuildMachine> {
  const draft = await newDraft(context, { key, parent: below });
  // Its header names the same layer as that of the draft it replaces.
  if (overlay !== undefined) await copyFile(overlay, draft.path, constants.COPYFILE_FICLONE);
  const disk: CurrentDisk = { path: draft.link, node: "" };
  const queue = new LayerQueue(context.ports.layers);
  const name = justBooted ? "boot" : "restore";
  const guest = await context.journal.span({ name, kind: "phase" }, (journal) => start({ disk, queue, journal }));
  return new BuildMachine({ context, identity, guest, draft, disk, queue, justBooted });
}
