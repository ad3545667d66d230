import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import type { PlannedOp } from "../../src/core/op.ts";
import type { Digest } from "../../src/core/digest.ts";
import { createDetachedOverlay } from "../../src/disk/qemu-img.ts";
import { DISK_NODE, type Accelerator, type BootRequest, type VirtualMachine } from "../../src/qemu/boot-request.ts";
import { firmwareVarsOf } from "../../src/qemu/hypervisor.ts";
import { switchToOverlay } from "../../src/qemu/live-disk.ts";
import type { SshGuest } from "../../src/qemu/ssh-guest.ts";
import type { Draft, Layer } from "../../src/store/layer.ts";
import type { BuildContext } from "./build-context.ts";
import { tidy } from "./guest-scripts.ts";
import type { BuildIdentity } from "./identity.ts";
import type { LayerQueue } from "./layer-queue.ts";

/** Emptying logs, flushing and trimming take a second or two; a slow host with a full page cache takes longer. */
const TIDY_MS = 10 * 60_000;

export interface MachineParts {
  readonly context: BuildContext;
  readonly identity: BuildIdentity;
  readonly guest: SshGuest;
  /** What is being written. */
  readonly draft: Draft;
  readonly disk: CurrentDisk;
  readonly queue: LayerQueue;
  /** False when it went on from a warm state. */
  readonly justBooted: boolean;
}

/** The overlay that a machine writes to; another one after every layer. */
export interface CurrentDisk {
  path: string;
  node: string;
}

/** What is said of a layer when it is closed. */
export interface ClosedStep {
  readonly step: string;
  readonly ops: readonly PlannedOp[];
  readonly durationMs: number;
}

/** The running machine of a build, and the layer it is writing. */
export class BuildMachine implements AsyncDisposable {
  readonly guest: SshGuest;
  readonly identity: BuildIdentity;
  readonly #parts: MachineParts;
  #draft: Draft;
  #layers = 0;

  constructor(parts: MachineParts) {
    this.#parts = parts;
    this.guest = parts.guest;
    this.identity = parts.identity;
    this.#draft = parts.draft;
  }

  get justBooted(): boolean {
    return this.#parts.justBooted;
  }

  get accelerator(): Accelerator {
    return this.guest.vm.accelerator;
  }

  /** Path by which the chain is opened, up to the overlay that is being written. */
  get diskPath(): string {
    return this.#parts.disk.path;
  }

  /** The overlay that is being written itself. */
  get overlayFile(): string {
    return this.#draft.path;
  }

  /** Firmware variables of the machine, where it boots by firmware. */
  get firmwareVars(): string | undefined {
    const { base, plan, workDir } = this.#parts.context.request;
    return base.directBoot || plan.machine.firmware === "bios" ? undefined : firmwareVarsOf(workDir);
  }

  /**
   * Closes the layer being written and goes on in a new one for `nextKey`. The store takes the closed one over while the guest
   * already goes on; `settled` waits for that.
   *
   * @param whilePaused is called while the guest stands still at the very point where the layer ends.
   */
  async close(
    closed: ClosedStep,
    nextKey: Digest,
    whilePaused: (vm: VirtualMachine, layer: Draft) => Promise<void>,
  ): Promise<void> {
    const { context, disk, queue } = this.#parts;
    const { request, journal } = context;
    const { signal, plan } = request;
    const finished = this.#draft;
    const [next] = await Promise.all([
      newDraft(context, { key: nextKey, parent: finished }),
      tidy(this.guest, { timeoutMs: TIDY_MS, signal }),
    ]);
    const { vm } = this.guest;
    const node = `layer-${String(++this.#layers)}`;
    await switchToOverlay(vm, { from: disk.node, node, overlay: next.link }, () => whilePaused(vm, finished));
    disk.path = next.link;
    disk.node = node;
    this.#draft = next;
    const virtualBytes = virtualBytesOf(context);
    queue.adopt(finished, { ...closed, template: plan.template, virtualBytes }, journal);
  }

  /** Runs `work` once the store has taken over all layers closed so far, or could not. */
  afterAdoption(work: (adopted: boolean) => Promise<void>): void {
    this.#parts.queue.after(work);
  }

  /** Waits until every closed layer is in the store. */
  settled(): Promise<readonly Layer[]> {
    return this.#parts.queue.settled();
  }

  /** Ends the guest and lets the store take over what was closed. The topmost overlay stays in the build's folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { guest, queue } = this.#parts;
    await guest[Symbol.asyncDispose]();
    await queue.settled().catch(() => undefined);
  }
}

/** Size of the disk: the template's, or the base's where that is larger. */
export function virtualBytesOf({ request: { plan, base } }: BuildContext): number {
  return Math.max(plan.disk.virtualBytes, base.disk.virtualBytes);
}

/** A new overlay for the layer of `key`, on a layer or on the base. */
export async function newDraft(
  context: BuildContext,
  { key, parent }: { readonly key: Digest; readonly parent: Pick<Layer, "id"> | undefined },
): Promise<Draft> {
  const { ports, request, journal } = context;
  // Within the build's own folder: the topmost overlay outlives the machine.
  const folder = await mkdtemp(join(request.workDir, "layer-"));
  const draft = await ports.layers.draft({ key, parent, basePath: request.base.disk.path, folder });
  const backingFormat = parent ? "qcow2" : request.base.disk.format;
  const { link: path, backingName } = draft;
  await createDetachedOverlay(
    { path, backingName, backingFormat, virtualBytes: virtualBytesOf(context) },
    { signal: request.signal, journal },
  );
  return draft;
}

/** What a machine of the build is started with, whatever it is started from. */
export function bootRequestOf({ request }: BuildContext, identity: BuildIdentity, disk: CurrentDisk): BootRequest {
  const { plan, base, network, workDir, serialLog, signal } = request;
  disk.node = DISK_NODE;
  return {
    ...plan.machine,
    ...identity.boot,
    arch: plan.disk.platform.arch,
    disk: disk.path,
    directBoot: base.directBoot,
    onRestart: "end",
    network: network.isolated ? "isolated" : "direct",
    workDir,
    serialLog,
    signal,
  };
}
