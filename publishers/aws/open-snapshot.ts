import { KvciError } from "../../src/core/error.ts";
import type { PublishContext } from "../../src/publish/publisher.ts";
import type { AwsOutput } from "../../src/aws/clients.ts";
import { isAbsent } from "../../src/aws/aws-caller.ts";
import { attemptOf, nextAttempt } from "./attempts.ts";
import { readBlockDigests, type BlockDigests } from "./block-digests.ts";
import { clientToken } from "./image-plan.ts";
import { lookupsIn, snapshotIds } from "./lookups.ts";
import { VISIBLE_MS, type StepPorts } from "./step-handler.ts";
import type { AwsStep } from "./step-inputs.ts";
import { tagsOf } from "./tags.ts";

/** A snapshot that blocks can be put into. */
export interface OpenSnapshot {
  readonly id: string;
  readonly blockBytes: number;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly isComplete: boolean;
  /** What its parent has; without a parent it is nothing but zeros. */
  readonly parent: BlockDigests | undefined;
}

/** Minutes without a block until EBS gives an unfinished snapshot up: a release may be gone on with the next day. */
const TIMEOUT_MINUTES = 24 * 60;
const BLOCK_BYTES = 512 * 1024;
const MAX_TRIES = 6;

type UploadStep = AwsStep<"upload-snapshot">;

/**
 * Starts a snapshot, or comes back to the one that an earlier run started: the token is the same. One that failed or was deleted
 * is left behind for a token of its own.
 */
export async function openSnapshot(
  upload: UploadStep,
  ports: Pick<StepPorts, "caller" | "storeRoot" | "now">,
  context: PublishContext,
): Promise<OpenSnapshot> {
  const { step, inputs } = upload;
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const parent = await chosenParent(upload, ports, context);
    const started = await startSnapshot(upload, { caller: ports.caller, parent: parent?.snapshot }, context);
    if (started === "parent-lost") await rememberParent(upload, null, context);
    const opened = typeof started === "string" ? undefined : await usable(started, { step, ports, context });
    if (opened) return { ...opened, parent: parent?.digests };
    await nextAttempt(step, inputs.image, context);
  }
  throw new KvciError(
    "publish-failed",
    `no snapshot could be started in ${step.place}: ${String(MAX_TRIES)} were lost`,
    {
      hint: "Look at the region's snapshots with the tag kvci:managed; somebody may be deleting them.",
    },
  );
}

interface Started {
  readonly id: string;
  readonly blockBytes: number;
  readonly startedAt: number;
}

function parentKey({ step, inputs }: UploadStep): string {
  return `${step.target}/${step.place}/${inputs.image.name}/parent`;
}

async function rememberParent(upload: UploadStep, parent: string | null, { remember }: PublishContext): Promise<void> {
  await remember(parentKey(upload), parent);
}

/** The parent of the first attempt is that of all: a token stands for one request. */
async function chosenParent(
  upload: UploadStep,
  { storeRoot }: Pick<StepPorts, "storeRoot">,
  context: PublishContext,
): Promise<{ readonly snapshot: string; readonly digests: BlockDigests } | undefined> {
  const { parent } = upload.inputs;
  const remembered = context.recall(parentKey(upload));
  if (remembered === undefined) await rememberParent(upload, parent?.snapshot ?? null, context);
  if (parent === null || (remembered !== undefined && remembered !== parent.snapshot)) return undefined;
  const digests = await readBlockDigests(storeRoot, parent.content);
  return digests && { snapshot: parent.snapshot, digests };
}

async function startSnapshot(
  { step, inputs: { image } }: UploadStep,
  { caller, parent }: { readonly caller: StepPorts["caller"]; readonly parent: string | undefined },
  context: PublishContext,
): Promise<Started | "parent-lost" | "token-used"> {
  const region = step.place;
  const call = { action: "ebs:StartSnapshot", region } as const;
  const attempt = attemptOf(step, image, context);
  const answer = await caller.ask(
    {
      ...call,
      input: {
        VolumeSize: image.settings.volumeGiB,
        Description: `${image.template} ${image.version} ${image.arch}`,
        ClientToken: clientToken(image, { region, kind: `snapshot ${parent ?? ""}`, attempt }),
        Tags: tagsOf(image),
        Timeout: TIMEOUT_MINUTES,
        ...(parent === undefined ? {} : { ParentSnapshotId: parent }),
      },
    },
    {
      signal: context.signal,
      isExpected: (failure) => failure.code === "ConflictException" || isAbsent(failure, call),
    },
  );
  if ("failure" in answer) return isAbsent(answer.failure, call) ? "parent-lost" : "token-used";
  return startedOf(answer.output);
}

function startedOf(output: AwsOutput<"ebs:StartSnapshot">): Started {
  const { SnapshotId: id = "", BlockSize: blockBytes = BLOCK_BYTES, StartTime: startTime } = output;
  return { id, blockBytes, startedAt: startTime?.getTime() ?? 0 };
}

/** @returns nothing for a snapshot that failed or is gone. One that was started a moment ago need not be visible. */
async function usable(
  started: Started,
  {
    step,
    ports,
    context,
  }: {
    readonly step: UploadStep["step"];
    readonly ports: Pick<StepPorts, "caller" | "now">;
    readonly context: PublishContext;
  },
): Promise<Omit<OpenSnapshot, "parent"> | undefined> {
  const lookups = lookupsIn(step.place, ports.caller, { signal: context.signal });
  const [snapshot] = await lookups.snapshots(snapshotIds([started.id]));
  const age = ports.now() - started.startedAt;
  if (snapshot === undefined && age > VISIBLE_MS) return undefined;
  if (snapshot?.state === "error") return undefined;
  return { ...started, isComplete: snapshot?.state === "completed" };
}
