import { randomUUID } from "node:crypto";
import { KvciError } from "../../src/core/error.ts";
import type { Compute, ComputeImage } from "../../src/gcp/compute.ts";
import type { ComputeOperation } from "../../src/gcp/compute-calls.ts";
import { finished, OPERATION_MS, overdue, pause } from "../../src/gcp/operation-end.ts";

export interface Watch {
  readonly compute: Compute;
  readonly pollMs: number;
  readonly signal: AbortSignal;
}

/** Waits until an operation is done. @throws {KvciError} what it failed with; `publish-failed` past three hours; `interrupted` */
export function ended(
  operation: ComputeOperation,
  action: string,
  { compute, pollMs, signal }: Watch,
): Promise<ComputeOperation> {
  return finished(operation, action, { waitOnce: compute.waitOnce, pollMs, signal });
}

/** Makes a change that may be repeated, under a token of its own, and waits for it. */
export async function changed(
  action: string,
  call: (requestId: string) => Promise<ComputeOperation | undefined>,
  watch: Watch,
): Promise<void> {
  const operation = await call(randomUUID());
  if (operation) await ended(operation, action, watch);
}

/**
 * Waits for an image that is being made.
 *
 * @param visibleMs how long it may be out of sight.
 * @returns undefined when it is nowhere to be seen.
 * @throws {KvciError} `publish-failed` when it could not be made; `interrupted`
 */
export async function readyImage(name: string, visibleMs: number, watch: Watch): Promise<ComputeImage | undefined> {
  const { compute, pollMs, signal } = watch;
  const begun = performance.now();
  for (;;) {
    const image = await compute.image(name);
    if (image && isMade(image)) return image;
    const waited = performance.now() - begun;
    if (!image && waited >= visibleMs) return undefined;
    if (waited > OPERATION_MS) throw overdue("compute.images.create", name, OPERATION_MS);
    await pause(pollMs, signal);
  }
}

/** @throws {KvciError} `publish-failed` for one that will never be ready. */
function isMade({ name, status }: ComputeImage): boolean {
  if (status === "READY" || status === "PENDING") return status === "READY";
  throw new KvciError("publish-failed", `the image ${name} became ${status}`, {
    hint: "See `gcloud compute operations list` for why, remove it, and run the same command again.",
  });
}
