import type { KvciError } from "../../src/core/error.ts";
import type { PlannedStep } from "../../src/core/plan.ts";
import type { BuildContext } from "./build-context.ts";
import type { BuildMachine } from "./build-machine.ts";

/** A step that failed, and the machine it left; QEMU may have ended, too. */
export interface FailedStep {
  readonly context: BuildContext;
  readonly machine: BuildMachine;
  readonly step: PlannedStep;
  readonly error: KvciError;
  /** Byte of the console log where the step began. */
  readonly consoleFrom: number;
}

/**
 * Called while the machine is still there.
 *
 * @returns `retry` to run the step again from the layer before it; `end` lets the build fail.
 */
export type StepFailed = (failed: FailedStep) => Promise<"retry" | "end">;
