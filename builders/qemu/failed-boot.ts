import type { Journal } from "../../src/core/journal.ts";
import type { VirtualMachine } from "../../src/qemu/boot-request.ts";

/** A machine that did not come up. */
export interface FailedBoot {
  readonly vm: VirtualMachine;
  readonly serialLog: string;
  /** Byte of the console log where its boot began. */
  readonly consoleFrom: number;
  readonly journal: Journal;
}

/** Called before the machine is ended; does not throw. */
export type BootFailed = (failed: FailedBoot) => Promise<void>;
