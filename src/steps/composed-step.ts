import type { Op } from "../core/op.ts";
import type { Platform } from "../core/platform.ts";
import type { Step } from "../core/step.ts";

/** A step made of others, in order: their ops, with the lock passed on, and what all of them need. */
export function composed<O extends Op>(name: string, parts: readonly Step<O>[]): Step<O> {
  return {
    name,
    ops: (platform, lock) => parts.flatMap((part) => part.ops(platform, lock)),
    needs: (platform) => parts.flatMap((part) => part.needs?.(platform) ?? []),
  };
}

/** A part that only some platforms have; for the others it does and needs nothing. */
export function onlyOn<O extends Op>(fits: (platform: Platform) => boolean, part: Step<O>): Step<O> {
  return {
    name: part.name,
    ops: (platform, lock) => (fits(platform) ? part.ops(platform, lock) : []),
    needs: (platform) => (fits(platform) ? (part.needs?.(platform) ?? []) : []),
  };
}
