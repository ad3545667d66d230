import type { ErrorCode } from "../core/error.ts";

export const ON_ERROR = ["keep", "shell", "clean"] as const;
/** What becomes of the guest when a step fails: `--on-error`. */
export type OnError = (typeof ON_ERROR)[number];

/** What a person said after a session in the failed guest. */
export type Answer = "retry" | "later" | "give-up";

/** What tells whether somebody is there to be asked. */
export interface Attendance {
  readonly stdinIsTerminal: boolean;
  readonly stderrIsTerminal: boolean;
  readonly json: boolean;
  /** Continuous integration gives some jobs a terminal that nobody sits at. */
  readonly ci: boolean;
}

export function isAttended({ stdinIsTerminal, stderrIsTerminal, json, ci }: Attendance): boolean {
  return stdinIsTerminal && stderrIsTerminal && !json && !ci;
}

/** What a failed step left. */
export interface Remains {
  /** Whether QEMU still runs. */
  readonly alive: boolean;
  readonly code: ErrorCode;
}

/**
 * What is done about a failed step: `shell` opens a session where somebody is there and the guest can answer; else it is what
 * `keep` does.
 */
export function actionFor(mode: OnError, attended: boolean, { alive, code }: Remains): "keep" | "session" | "clean" {
  if (mode !== "shell") return mode;
  return attended && alive && code !== "guest-died" ? "session" : "keep";
}
