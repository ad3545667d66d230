import type { PackageLock } from "./lock.ts";
import type { Need } from "./need.ts";
import type { Op } from "./op.ts";
import type { Platform } from "./platform.ts";

/**
 * A named list of ops, pure in its platform: the same platform always gives the same list. The functions that return
 * steps live in `src/steps`; a template lists them.
 */
export interface Step<O extends Op = Op> {
  /** Lower-case words and digits joined by `-`, `.` or `+`; unique in a template. */
  readonly name: string;
  /** @param lock the versions that packages are installed in; without it, the ones the repositories offer. */
  readonly ops: (platform: Platform, lock?: PackageLock) => readonly O[];
  /** Packages and repositories that its ops use; what else floats the ops say themselves. */
  readonly needs?: ((platform: Platform) => readonly Need[]) | undefined;
  /** Never cached: see `volatile`. */
  readonly volatile?: boolean | undefined;
  /** Milliseconds after which its layer is not reused: see `maxAge`. */
  readonly maxAgeMs?: number | undefined;
  /** Runs on a machine that was just booted: see `freshBoot`. */
  readonly freshBoot?: boolean | undefined;
  /** Part of the layered node image that the step belongs to: see `phase`. */
  readonly phase?: string | undefined;
}

/** A step of one's own, for what the library does not have. */
export function defineStep<O extends Op>(
  name: string,
  ops: readonly O[] | ((platform: Platform, lock?: PackageLock) => readonly O[]),
): Step<O> {
  return { name, ops: typeof ops === "function" ? ops : () => ops };
}
