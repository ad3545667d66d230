import type { Journal } from "../core/journal.ts";
import type { SearchEnv } from "./find-program.ts";
import type { runProgram } from "./program.ts";

/** What installing needs to know of the host and of the run. */
export interface InstallOptions extends SearchEnv {
  readonly signal: AbortSignal;
  readonly journal: Journal;
  /** Text of the host's os-release: `readOsRelease()`. */
  readonly osRelease: string;
  readonly isRoot: boolean;
  /** Runs a host program; `runProgram`, unless a test says otherwise. */
  readonly run?: typeof runProgram;
}
