import { setTimeout as sleep } from "node:timers/promises";
import { KvciError } from "../../src/core/error.ts";
import type { PublishContext } from "../../src/publish/publisher.ts";
import type { ImageSettings } from "./image-plan.ts";
import { lookupsIn, snapshotIds } from "./lookups.ts";
import type { OpenSnapshot } from "./open-snapshot.ts";
import type { StepPorts } from "./step-handler.ts";
import type { Uploaded } from "./upload-blocks.ts";

interface Place {
  readonly region: string;
  readonly settings: Pick<ImageSettings, "volumeGiB">;
  readonly ports: Pick<StepPorts, "caller">;
  readonly context: Pick<PublishContext, "signal">;
}

const MINUTE_MS = 60_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 15_000;
/** What EBS says of a snapshot that takes no blocks any more. */
const NOT_OPEN = new Set(["ConflictException", "ValidationException"]);

/**
 * Tells EBS that all blocks are there, and waits until the snapshot is complete. A refusal is forgiven when somebody completed it
 * before: an earlier call whose answer was lost, or another run.
 *
 * @throws {KvciError} `publish-integrity` when EBS counted or summed otherwise, `publish-failed`.
 */
export async function completeSnapshot(snapshot: OpenSnapshot, uploaded: Uploaded, place: Place): Promise<void> {
  const { region, ports, settings, context } = place;
  const { changedBlocks, linearChecksum } = uploaded;
  const sum = { Checksum: linearChecksum, ChecksumAlgorithm: "SHA256", ChecksumAggregationMethod: "LINEAR" } as const;
  const answer = await ports.caller.ask(
    {
      action: "ebs:CompleteSnapshot",
      region,
      input: { SnapshotId: snapshot.id, ChangedBlocksCount: changedBlocks, ...(changedBlocks > 0 ? sum : {}) },
    },
    { signal: context.signal, isExpected: ({ code }) => NOT_OPEN.has(code) },
  );
  if ("output" in answer) {
    await completed(snapshot.id, { ...place, deadlineMs: (10 + settings.volumeGiB) * MINUTE_MS });
    return;
  }
  const mayBeDone = answer.attempts > 1 || uploaded.sentBlocks === 0;
  if (mayBeDone && (await isCompletedSoon(snapshot.id, place))) return;
  const { code, message, requestId } = answer.failure;
  throw new KvciError("publish-integrity", `EBS does not take ${snapshot.id} as complete: ${message}`, {
    hint: "Roll the run back and publish again: the blocks are sent anew.",
    evidence: [code, ...(requestId === undefined ? [] : [`request id ${requestId}`])],
  });
}

/** Whether a snapshot that takes no blocks was completed by somebody. EBS calls it pending until the last block is in place. */
async function isCompletedSoon(id: string, place: Place): Promise<boolean> {
  try {
    return await completed(id, { ...place, deadlineMs: MINUTE_MS });
  } catch (error) {
    if (error instanceof KvciError && error.code === "publish-failed") return false;
    throw error;
  }
}

/** Whether an upload failed because another run has completed the same snapshot. */
export async function isCompletedElsewhere(error: unknown, id: string, place: Place): Promise<boolean> {
  if (!(error instanceof KvciError) || place.context.signal.aborted) return false;
  const isRefusal = error.evidence.some((line) => NOT_OPEN.has(line.split(" ")[0] ?? ""));
  return isRefusal && (await isCompletedSoon(id, place));
}

/** @throws {KvciError} `publish-failed` past the deadline, or when EBS gives the snapshot up. */
async function completed(id: string, place: Place & { readonly deadlineMs: number }): Promise<true> {
  const { region, ports, context, deadlineMs } = place;
  const { signal } = context;
  const end = performance.now() + deadlineMs;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(LONGEST_PAUSE_MS, pause * 2)) {
    const [snapshot] = await lookupsIn(region, ports.caller, { signal }).snapshots(snapshotIds([id]));
    if (snapshot?.state === "completed") return true;
    if (snapshot?.state === "error") throw failed(`${id} in ${region} has failed`);
    if (performance.now() + pause > end) throw failed(`${id} in ${region} is not complete yet`);
    await sleep(pause * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined);
    signal.throwIfAborted();
  }
}

function failed(message: string): KvciError {
  return new KvciError("publish-failed", message, {
    hint: "Run the same command again: a snapshot that failed is made anew, one that is late is waited for.",
  });
}
