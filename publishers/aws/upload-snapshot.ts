import { createHash, type Hash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { KvciError } from "../../src/core/error.ts";
import { diskBlocks } from "../../src/disk/raw-disk.ts";
import { IndexRanges } from "../../src/publish/index-ranges.ts";
import type { PublishContext } from "../../src/publish/publisher.ts";
import type { StepResult } from "../../src/publish/step.ts";
import { nextAttempt } from "./attempts.ts";
import { BlockDigests, writeBlockDigests } from "./block-digests.ts";
import { completeSnapshot, isCompletedElsewhere } from "./complete-snapshot.ts";
import { deleteSnapshot } from "./delete-image.ts";
import { hasTagsOf } from "./tags.ts";
import { lookupsIn, snapshotIds, tagged } from "./lookups.ts";
import { openSnapshot, type OpenSnapshot } from "./open-snapshot.ts";
import { VISIBLE_MS, type StepHandler, type StepPorts } from "./step-handler.ts";
import type { AwsStep } from "./step-inputs.ts";
import { uploadBlocks, type PutBlock, type Uploaded } from "./upload-blocks.ts";

type UploadStep = AwsStep<"upload-snapshot">;

/** Milliseconds for one block, all attempts together. */
const BLOCK_DEADLINE_MS = 120_000;
/** Blocks between two notes of what arrived: what is sent twice after a crash, beside those under way. */
const REMEMBER_EVERY = 16;
/** EBS takes a thousand blocks a second into one snapshot; this keeps clear of it. */
const BLOCKS_PER_SECOND = 800;

/** Sends the disk's blocks to EBS. Goes on where an earlier run stopped; the disk must be what was verified, to the byte. */
export function uploadSnapshot(ports: StepPorts): StepHandler<"upload-snapshot"> {
  return {
    run: async (upload, context) => {
      const { step, inputs } = upload;
      const lookups = lookupsIn(step.place, ports.caller, { signal: context.signal });
      const done = (await lookups.snapshots(tagged(inputs.image))).find(({ state }) => state === "completed");
      if (done) return { snapshot: done.id, made: false };
      const snapshot = await openSnapshot(upload, ports, context);
      if (snapshot.isComplete) return { snapshot: snapshot.id, made: true };
      const place = { region: step.place, settings: inputs.image.settings, ports, context };
      try {
        return await fill(upload, { ports, snapshot, context });
      } catch (error) {
        if (!(await isCompletedElsewhere(error, snapshot.id, place))) throw error;
        return { snapshot: snapshot.id, made: false };
      }
    },
    undo: async ({ step, inputs: { image } }, result, context) => {
      if (result?.["made"] === false) return;
      const { signal } = context;
      const id = result?.["snapshot"];
      const lookups = lookupsIn(step.place, ports.caller, { signal });
      const found = await lookups.snapshots(typeof id === "string" ? snapshotIds([id]) : tagged(image));
      for (const snapshot of found.filter(({ tags }) => hasTagsOf(tags, image))) {
        await deleteSnapshot(snapshot.id, { region: step.place, caller: ports.caller, signal });
      }
      await nextAttempt(step, image, context);
    },
  };
}

interface Filling {
  readonly ports: StepPorts;
  readonly snapshot: OpenSnapshot;
  readonly context: PublishContext;
}

async function fill(upload: UploadStep, filling: Filling): Promise<StepResult> {
  const { step, inputs } = upload;
  const { ports, snapshot, context } = filling;
  const { storeRoot } = ports;
  const whole = createHash("sha256");
  const digests = new BlockDigests();
  const uploaded = await send(upload, { ...filling, whole, digests });
  const content = `sha256:${whole.digest("hex")}`;
  if (content !== inputs.image.content) {
    // What was sent is of no use to anybody: the next run begins with a snapshot of its own.
    await nextAttempt(step, inputs.image, context);
    throw changed(inputs.image.content, content);
  }
  await completeSnapshot(snapshot, uploaded, { region: step.place, settings: inputs.image.settings, ports, context });
  await writeBlockDigests(storeRoot, content, digests);
  return {
    snapshot: snapshot.id,
    made: true,
    blocks: uploaded.changedBlocks,
    sentBlocks: uploaded.sentBlocks,
    checksum: uploaded.linearChecksum,
  };
}

async function send(
  upload: UploadStep,
  parts: Filling & { readonly whole: Hash; readonly digests: BlockDigests },
): Promise<Uploaded> {
  const { step, inputs } = upload;
  const { ports, snapshot, context, whole, digests } = parts;
  const { signal, journal } = context;
  const { diskPath, virtualBytes } = ports.buildOf(inputs.image);
  const key = `blocks/${snapshot.id}`;
  let position = 0;
  // Buffers of 512 KiB that go round: new ones would wait for V8 to collect what is old, which it does late.
  const free: Buffer[] = [];
  const pieces = hashed(ports.readDisk(diskPath, { signal, journal }), whole);
  const { blockBytes } = snapshot;
  return uploadBlocks(
    diskBlocks(pieces, blockBytes, () => free.pop() ?? Buffer.alloc(blockBytes)),
    {
      recycle: (data) => free.push(data),
      put: putBlock(upload, parts),
      limit: ports.uploadLimit(),
      acknowledged: IndexRanges.parse(context.recall(key)),
      remember: (acknowledged) => context.remember(key, String(acknowledged)),
      rememberEvery: REMEMBER_EVERY,
      ...(snapshot.parent === undefined ? {} : { parent: snapshot.parent }),
      onDigest: (index, digest) => {
        digests.set(index, digest);
        position = index;
      },
      onProgress: () => {
        const doneBytes = Math.min(virtualBytes, (position + 1) * snapshot.blockBytes);
        journal.emit({ type: "transfer", name: step.place, doneBytes, totalBytes: virtualBytes });
      },
      signal,
    },
  );
}

async function* hashed(pieces: AsyncIterable<Buffer>, hash: Hash): AsyncGenerator<Buffer, void, undefined> {
  for await (const piece of pieces) {
    hash.update(piece);
    yield piece;
  }
}

function putBlock({ step }: UploadStep, { ports, snapshot, context }: Filling): PutBlock {
  const turn = pace(BLOCKS_PER_SECOND, context.signal);
  return async ({ index, data, checksum, onThrottled }) => {
    await turn();
    await ports.caller.call(
      {
        action: "ebs:PutSnapshotBlock",
        region: step.place,
        input: {
          SnapshotId: snapshot.id,
          BlockIndex: index,
          BlockData: data,
          DataLength: data.length,
          Checksum: checksum,
          ChecksumAlgorithm: "SHA256",
        },
      },
      {
        signal: context.signal,
        deadlineMs: BLOCK_DEADLINE_MS,
        absentForMs: snapshot.startedAt + VISIBLE_MS - ports.now(),
        onThrottled,
      },
    );
  };
}

/** @returns a function whose promise comes at most so often a second. */
function pace(perSecond: number, signal: AbortSignal): () => Promise<void> {
  let next = 0;
  return async () => {
    const now = performance.now();
    const at = Math.max(now, next);
    next = at + 1000 / perSecond;
    // Timers are good to a millisecond or two; what is nearer goes at once and the next ones wait.
    if (at - now > 2) await sleep(at - now, undefined, { signal }).catch(() => undefined);
  };
}

function changed(expected: string, actual: string): KvciError {
  return new KvciError("publish-integrity", "the disk is not the one that was verified", {
    hint: "Build and verify it again; nothing of it was made visible.",
    evidence: [`verified: ${expected}`, `read now: ${actual}`],
  });
}
