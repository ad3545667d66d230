import { digestOfValue, type Digest } from "./digest.ts";
import type { PlannedOp } from "./op.ts";
import type { Platform } from "./platform.ts";

/**
 * Counts up whenever the same input would make different bytes on the disk (how ops are applied, how a base is laid out),
 * so that layers of an older kvci-build are never taken for ours.
 */
export const KEY_FORMAT_VERSION = 2;

/** The start of a chain: the base's identity and the disk's geometry. */
export function firstKey(start: {
  readonly base: Digest;
  readonly platform: Platform;
  readonly virtualBytes: number;
}): Digest {
  return digestOfValue({ formatVersion: KEY_FORMAT_VERSION, ...start });
}

/** The key of the disk after its first boot: filesystem grown, and what the base does once. */
export function bootKey(first: Digest): Digest {
  return digestOfValue({ formatVersion: KEY_FORMAT_VERSION, parent: first, boot: "first" });
}

/**
 * The key of the disk after a step: its parent's key and the step's whole op list, digests of copied files included; and
 * that it runs right after a boot, where it asks for that.
 */
export function nextKey(
  parent: Digest,
  ops: readonly PlannedOp[],
  { freshBoot }: { readonly freshBoot?: boolean | undefined } = {},
): Digest {
  return digestOfValue({ formatVersion: KEY_FORMAT_VERSION, parent, ops, ...(freshBoot ? { freshBoot } : {}) });
}
