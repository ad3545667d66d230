import { setTimeout as sleep } from "node:timers/promises";
import { KvciError } from "../core/error.ts";
import { assertSucceeded, type ComputeOperation } from "./compute-calls.ts";

/** Making an image of a few GiB takes a minute or two; of terabytes, hours. */
export const OPERATION_MS = 3 * 3_600_000;
/** How long something made a moment ago may be out of sight. */
export const VISIBLE_MS = 120_000;

export interface OperationWatch {
  readonly waitOnce: (operation: ComputeOperation) => Promise<ComputeOperation | undefined>;
  readonly pollMs: number;
  readonly signal: AbortSignal;
  /** Milliseconds until it counts as failed. Default: three hours. */
  readonly limitMs?: number;
}

/** Waits until an operation is done. @throws {KvciError} what it failed with; `publish-failed` past its limit; `interrupted` */
export async function finished(
  operation: ComputeOperation,
  action: string,
  { waitOnce, pollMs, signal, limitMs = OPERATION_MS }: OperationWatch,
): Promise<ComputeOperation> {
  const begun = performance.now();
  const hiddenMs = Math.min(VISIBLE_MS, limitMs);
  let current: ComputeOperation | undefined = operation;
  while (current?.status !== "DONE") {
    const limit = current === undefined ? hiddenMs : limitMs;
    if (performance.now() - begun > limit) throw overdue(action, operation.name, limit);
    current = await waitOnce(operation);
    if (current?.status !== "DONE") await pause(pollMs, signal);
  }
  assertSucceeded(current, action);
  return current;
}

/** @throws {KvciError} `interrupted` */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {
    throw new KvciError("interrupted", "stopped waiting for Google Cloud", {
      hint: "Run the same command again; it goes on where it stopped.",
    });
  });
}

export function overdue(action: string, name: string, limitMs: number): KvciError {
  return new KvciError(
    "publish-failed",
    `${action}: ${name} was not done within ${Math.round(limitMs / 60_000)} minutes`,
    {
      hint: "Look at it with `gcloud compute operations describe`, and run the same command again.",
    },
  );
}
