import type { Op } from "./op.ts";
import type { Platform } from "./platform.ts";

/**
 * A named list of ops, pure in its platform: the same platform always gives the same list. The functions that return
 * steps live in `src/steps`; a template lists them.
 */
export interface Step<O extends Op = Op> {
  /** Lower-case words and digits joined by `-`, `.` or `+`; unique in a template. */
  readonly name: string;
  readonly ops: (platform: Platform) => readonly O[];
}

/** A step of one's own, for what the library does not have. */
export function defineStep<O extends Op>(
  name: string,
  ops: readonly O[] | ((platform: Platform) => readonly O[]),
): Step<O> {
  return { name, ops: typeof ops === "function" ? ops : () => ops };
}
