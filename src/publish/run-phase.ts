import { KvciError } from "../core/error.ts";
import type { PublishStep } from "./step.ts";

export interface PhaseOptions {
  /** Steps at once. */
  readonly concurrency: number;
  readonly signal: AbortSignal;
  readonly run: (step: PublishStep) => Promise<void>;
}

export interface StepFailure {
  readonly step: PublishStep;
  readonly error: KvciError;
}

/**
 * Runs the steps of one phase, each when those it needs are done. After a required step failed nothing more is begun; a failed
 * step that is not required takes the steps of its place with it.
 *
 * @returns what failed; steps that were not begun because of it are not among them.
 */
export async function runPhase(steps: readonly PublishStep[], options: PhaseOptions): Promise<StepFailure[]> {
  const phase = new PhaseRun(steps, options);
  await phase.end();
  return phase.failures;
}

class PhaseRun {
  readonly failures: StepFailure[] = [];
  readonly #waiting: PublishStep[];
  readonly #unfinished: Set<string>;
  readonly #running = new Set<Promise<void>>();
  readonly #options: PhaseOptions;

  constructor(steps: readonly PublishStep[], options: PhaseOptions) {
    this.#waiting = [...steps];
    this.#unfinished = new Set(steps.map(({ id }) => id));
    this.#options = options;
  }

  async end(): Promise<void> {
    for (;;) {
      this.#startReady();
      if (this.#running.size === 0) return;
      await Promise.race(this.#running);
    }
  }

  #startReady(): void {
    const { concurrency, signal } = this.#options;
    while (this.#running.size < concurrency && !signal.aborted && !this.#isOver()) {
      const index = this.#waiting.findIndex((step) => this.#isReady(step));
      const [step] = index < 0 ? [] : this.#waiting.splice(index, 1);
      if (!step) return;
      const work: Promise<void> = this.#run(step).finally(() => this.#running.delete(work));
      this.#running.add(work);
    }
  }

  #isOver(): boolean {
    return this.failures.some(({ step }) => step.required);
  }

  /** Needs of earlier phases are done, or their places would have been left out. */
  #isReady({ target, place, needs }: PublishStep): boolean {
    const isLost = this.failures.some(({ step }) => step.target === target && step.place === place);
    return !isLost && needs.every((need) => !this.#unfinished.has(need));
  }

  async #run(step: PublishStep): Promise<void> {
    try {
      await this.#options.run(step);
      this.#unfinished.delete(step.id);
    } catch (error) {
      const failure =
        error instanceof KvciError
          ? error
          : new KvciError("internal", String(error), { hint: "Report this.", cause: error });
      this.failures.push({ step, error: failure });
    }
  }
}
