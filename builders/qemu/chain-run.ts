import { randomUUID } from "node:crypto";
import { KvciError } from "../../src/core/error.ts";
import type { PlannedStep } from "../../src/core/plan.ts";
import { apply } from "../../src/machine/apply.ts";
import { consoleBytes, consoleTail } from "../../src/qemu/console-alarm.ts";
import type { Layer } from "../../src/store/layer.ts";
import { within, type BuildContext } from "./build-context.ts";
import type { BuildMachine, ClosedStep } from "./build-machine.ts";
import type { Claims } from "./claims.ts";
import type { StepFailed } from "./failed-step.ts";
import { growRoot } from "./grow-root.ts";
import { imageLoader } from "./image-loader.ts";
import { FIRST_BOOT, wantedLayers } from "./reusable-chain.ts";
import { sealMachine, type SealedGuest } from "./seal-machine.ts";
import type { WarmKeeper } from "./warm-keeper.ts";

/** Of the serial console, shown with a step that failed. */
const CONSOLE_LINES = 5;
const RESTART_MS = 15 * 60_000;

export interface ChainRunParts {
  readonly machine: BuildMachine;
  readonly claims: Claims;
  readonly warm: WarmKeeper;
  /** Asked what to do about a step that failed; without it the build fails. */
  readonly stepFailed: StepFailed | undefined;
  /** What was there when the machine was started. */
  readonly layers: readonly Layer[];
}

/** The steps of one machine, from the layer it was started on to the last. */
export class ChainRun {
  readonly #context: BuildContext;
  readonly #parts: ChainRunParts;
  /** True while nothing has run since the machine was booted. */
  #justBooted: boolean;

  constructor(context: BuildContext, parts: ChainRunParts) {
    this.#context = context;
    this.#parts = parts;
    this.#justBooted = parts.machine.justBooted;
  }

  /** @returns `again` when the chain is to be looked up anew: another build made a layer, or a failed step is to be retried. */
  async steps(): Promise<"done" | "again"> {
    const { machine, claims, layers } = this.#parts;
    const { steps } = this.#context.request.plan.disk;
    if (layers.length === 0) await this.#firstBoot();
    for (let index = Math.max(0, layers.length - 1); index < steps.length; index += 1) {
      const step = steps[index];
      if (!step) break;
      if (this.#isKept(index) && (await this.#claimed(step)) === "again") return "again";
      if ((await this.#runStep(step, index)) === "retry") return "again";
    }
    claims.end((claim) => {
      machine.afterAdoption(() => disposed(claim));
    });
    return "done";
  }

  /** Seals the disk and powers the guest off; a failure is one of a last step. */
  async seal(): Promise<SealedGuest | "again"> {
    const { request } = this.#context;
    const consoleFrom = await consoleBytes(request.serialLog);
    try {
      return await sealMachine(this.#context, this.#parts.machine);
    } catch (error) {
      const { id, disk } = request.plan;
      await this.#failed({ name: "seal", key: id, ops: disk.seal }, { error, consoleFrom });
      return "again";
    }
  }

  async #firstBoot(): Promise<void> {
    const { request } = this.#context;
    const { machine } = this.#parts;
    const started = performance.now();
    if (request.base.rootPartition !== undefined) {
      await growRoot(machine.guest, request.base.rootPartition, request.signal);
    }
    await this.#close({ step: FIRST_BOOT, ops: [], durationMs: performance.now() - started }, 0);
  }

  /** The claim on a step's layer; `again` when somebody else held it and made the layer. */
  async #claimed(step: PlannedStep): Promise<"claimed" | "again"> {
    const { machine, claims, layers } = this.#parts;
    const { ports, request } = this.#context;
    if (claims.holds(step.key)) return "claimed";
    const waited = await claims.moveTo(step.key, step.name, (claim) => {
      machine.afterAdoption(() => disposed(claim));
    });
    if (!waited) return "claimed";
    const own = [...layers, ...(await machine.settled())];
    const { layers: now } = await ports.layers.chain(wantedLayers(request.plan.disk), { now: ports.now() });
    return now.length > own.length && request.cache.layers ? "again" : "claimed";
  }

  async #runStep(step: PlannedStep, index: number): Promise<"done" | "retry"> {
    const { machine } = this.#parts;
    const { journal } = this.#context;
    const consoleFrom = await consoleBytes(this.#context.request.serialLog);
    try {
      await journal.span({ name: step.name, kind: "step" }, async (inner) => {
        const started = performance.now();
        if (step.freshBoot && !this.#justBooted) await machine.guest.reboot({ timeoutMs: RESTART_MS });
        this.#justBooted = false;
        await this.#apply(step, within(this.#context, inner));
        const closed = { step: step.name, ops: step.ops, durationMs: performance.now() - started };
        if (this.#isKept(index)) await this.#close(closed, index + 1);
      });
      return "done";
    } catch (error) {
      return this.#failed(step, { error, consoleFrom });
    }
  }

  async #apply(step: PlannedStep, { request, journal }: BuildContext): Promise<void> {
    const { signal, sources, serialLog, imageDisk, plan } = request;
    const { guest } = this.#parts.machine;
    const { arch } = plan.disk.platform;
    const loadImages = imageLoader({ vm: () => guest.vm, imageDisk, arch, journal, signal });
    try {
      await apply(guest, step.ops, { journal, signal, sources, nonce: randomUUID, loadImages });
    } catch (error) {
      throw error instanceof KvciError ? await inStep(step.name, error, serialLog) : error;
    }
  }

  async #failed(
    step: PlannedStep,
    { error, consoleFrom }: { readonly error: unknown; readonly consoleFrom: number },
  ): Promise<"done" | "retry"> {
    const { machine, stepFailed } = this.#parts;
    if (!(error instanceof KvciError) || this.#context.request.signal.aborted || !stepFailed) throw error;
    const answer = await stepFailed({ context: this.#context, machine, step, error, consoleFrom });
    if (answer === "retry") return "retry";
    throw error;
  }

  /** Closes the layer number `index`, the first boot's being 0, and keeps the machine's memory where that is worth it. */
  async #close(closed: ClosedStep, index: number): Promise<void> {
    const { machine, warm } = this.#parts;
    const { plan } = this.#context.request;
    const wanted = wantedLayers(plan.disk);
    const next = wanted[index + 1]?.key ?? plan.id;
    await machine.close(closed, next, async (vm, layer) => {
      if (warm.isWorth(index, wanted.length)) await warm.save(machine, { vm, layer, step: closed.step });
    });
  }

  /** A step is kept unless it, or one before it, is volatile. */
  #isKept(index: number): boolean {
    const { steps } = this.#context.request.plan.disk;
    return !steps.slice(0, index + 1).some(({ volatile }) => volatile);
  }
}

/** The error with its step's name and, where it has none yet, the last lines of the console. */
async function inStep(step: string, error: KvciError, serialLog: string): Promise<KvciError> {
  const spoken = error.code === "guest-died" ? [] : await consoleTail(serialLog, CONSOLE_LINES);
  const evidence = [...error.evidence, ...spoken.map((line) => `console: ${line}`)];
  return new KvciError(error.code, `step "${step}": ${error.message}`, { hint: error.hint, evidence, cause: error });
}

async function disposed(resource: AsyncDisposable): Promise<void> {
  await resource[Symbol.asyncDispose]();
}
