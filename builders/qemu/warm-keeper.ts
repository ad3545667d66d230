import { constants } from "node:fs";
import { copyFile, stat } from "node:fs/promises";
import type { Digest } from "../../src/core/digest.ts";
import { messageOf } from "../../src/core/error.ts";
import type { VirtualMachine } from "../../src/qemu/boot-request.ts";
import { saveMemory } from "../../src/qemu/memory-state.ts";
import { withPausedGuest } from "../../src/qemu/pause.ts";
import type { Layer } from "../../src/store/layer.ts";
import type { BuildContext } from "./build-context.ts";
import type { BuildMachine } from "./build-machine.ts";
import { machineShape } from "./machine-shape.ts";
import { restoreMachine, type StartPoint } from "./start-machine.ts";
import { dropWarmState, findWarmState, keepWarmState, memoryPath, overlayPath } from "./warm-states.ts";

/** A state is kept for each of that many last layers of a template: those are the steps that are edited. */
const LAST_LAYERS = 3;
/** Saving takes a second: worth it after work that took this long. */
const WORTH_MS = 15_000;

/** Keeps and restores the memory of one build's machines. Nothing of it can fail the build: a boot always does instead. */
export class WarmKeeper {
  readonly #context: BuildContext;
  #fingerprint: Promise<Digest> | undefined;
  #lastMs = performance.now();

  constructor(context: BuildContext) {
    this.#context = context;
  }

  /** The machine as it was when `below` was closed; undefined when there is no such state or it does not do. */
  async restore(start: StartPoint & { readonly below: Layer }): Promise<BuildMachine | undefined> {
    const { request, ports } = this.#context;
    if (!request.cache.warmStates) return undefined;
    const key = { layer: start.below.id, fingerprint: await this.#machine() };
    const state = await findWarmState(ports.store, key, request.signal);
    if ("none" in state) {
      if (state.none !== "absent") this.#warn(start.below.step, `${state.none}; booting instead`);
      return undefined;
    }
    try {
      return await restoreMachine(this.#context, { ...start, state });
    } catch (error) {
      if (request.signal.aborted) throw error;
      await dropWarmState(state, ports.store);
      this.#warn(start.below.step, `it could not be restored (${messageOf(error)}); booting instead`);
      return undefined;
    }
  }

  /** Whether the layer number `index` of `count`, the first boot's being 0, is worth a state. */
  isWorth(index: number, count: number): boolean {
    if (!this.#context.request.cache.warmStates) return false;
    return index === 0 || index >= count - LAST_LAYERS || performance.now() - this.#lastMs > WORTH_MS;
  }

  /**
   * Saves the memory of a machine that was just booted from `below`, whose state is missing: it was removed, or QEMU or the host
   * is another one by now. What the boot wrote is kept with it.
   */
  async saveBooted(machine: BuildMachine, below: Layer): Promise<void> {
    const { vm } = machine.guest;
    await withPausedGuest(vm, () =>
      this.save(machine, { vm, layer: below, step: below.step, overlay: machine.overlayFile }),
    );
  }

  /**
   * Saves the memory of a machine that stands still; what it stands on is in the store, or on its way there.
   *
   * @param of.overlay what it has written since, unless that is nothing.
   */
  async save(
    machine: BuildMachine,
    {
      vm,
      layer,
      step,
      overlay,
    }: { vm: VirtualMachine; layer: Pick<Layer, "id">; step: string; overlay?: string | undefined },
  ): Promise<void> {
    const { request, ports, journal } = this.#context;
    const { signal, plan, cache } = request;
    const started = performance.now();
    const folder = await ports.store.temporaryFolder("warm");
    try {
      const key = { layer: layer.id, fingerprint: await this.#machine() };
      await saveMemory(vm, memoryPath(folder.path), signal);
      // Saving memory ends with everything written to the files.
      if (overlay !== undefined) await copyFile(overlay, overlayPath(folder.path), constants.COPYFILE_FICLONE);
      this.#lastMs = performance.now();
      const durationMs = this.#lastMs - started;
      const { size: bytes } = await stat(memoryPath(folder.path));
      journal.emit({ type: "warm-state-kept", step, bytes, durationMs });
      const facts = {
        folder: folder.path,
        keys: machine.identity.keys,
        firmwareVars: machine.firmwareVars,
        what: `step ${step} of ${plan.template}`,
        bytes,
        createdAt: new Date(ports.now()).toISOString(),
        signal: new AbortController().signal,
      };
      machine.afterAdoption(async (adopted) => {
        if (adopted) {
          await keepWarmState(ports.store, key, facts).catch((error: unknown) => {
            this.#warn(step, `it could not be kept: ${messageOf(error)}`);
          });
        }
        await folder[Symbol.asyncDispose]();
        await ports.trimWarmStates(cache.warmStateBytes).catch(() => undefined);
      });
    } catch (error) {
      await folder[Symbol.asyncDispose]();
      if (signal.aborted || vm.ended) throw error;
      this.#warn(step, `it could not be saved: ${messageOf(error)}`);
    }
  }

  #machine(): Promise<Digest> {
    const { plan, base, signal } = this.#context.request;
    const { identity, directBoot } = base;
    const machine = { ...plan.machine, directBoot };
    const shape = machineShape({ machine, identity, arch: plan.disk.platform.arch });
    this.#fingerprint ??= this.#context.ports.hypervisor.fingerprint(shape, signal);
    return this.#fingerprint;
  }

  #warn(step: string, detail: string): void {
    this.#context.journal.emit({ type: "warning", subject: `warm state of step ${step}`, detail });
  }
}
