/** EBS direct APIs, writing: a snapshot is started, given blocks, sealed. */
import { createHash, hash } from "node:crypto";
import type {
  CompleteSnapshotRequest,
  CompleteSnapshotResponse,
  PutSnapshotBlockResponse,
  StartSnapshotRequest,
  StartSnapshotResponse,
} from "@aws-sdk/client-ebs";
import { AwsFault } from "./aws-fault.ts";
import { BLOCK_BYTES, blocksOf, GIB, isVisible, newId, notShared, phaseOf, type SnapshotRecord } from "./aws-state.ts";
import { idsOfToken, newVisibility, record, type Actions, type Context } from "./world.ts";

/** Token's length by the documentation; the model says more. */
const TOKEN_CHARACTERS = 64;
const DEFAULT_TIMEOUT_MINUTES = 60;
const MOST_GIB = 65_536;

export const ebsWriteActions: Actions = { StartSnapshot: start, PutSnapshotBlock: put, CompleteSnapshot: complete };

export function invalid(reason: string, message: string): AwsFault {
  return new AwsFault("ValidationException", message, { reason });
}

function start(input: StartSnapshotRequest, context: Context): StartSnapshotResponse {
  const { region, world, nowMs } = context;
  if ((input.ClientToken ?? "").length > TOKEN_CHARACTERS) {
    throw invalid("INVALID_PARAMETER_VALUE", "ClientToken has more than 64 characters");
  }
  const token = { kind: "StartSnapshot", value: input.ClientToken, request: input };
  const { known, keep } = idsOfToken(context, token, "ConflictException");
  // Of a snapshot that failed, too: the token stays with it.
  const before = region.snapshots.get(known?.[0] ?? "");
  if (before !== undefined) return started(before, context);
  checkTags(input);
  const parent = parentOf(input, context);
  const pending = [...region.snapshots.values()].filter((each) => phaseOf(each, nowMs) === "pending");
  if (pending.filter(({ copyOf }) => copyOf === undefined).length >= world.limits.pendingSnapshots) {
    throw new AwsFault("ConcurrentLimitExceededException", "You have reached the limit for concurrent API requests.");
  }
  const snapshot = newSnapshot(input, parent, context);
  region.snapshots.set(snapshot.id, snapshot);
  keep([snapshot.id]);
  record(context, { kind: "snapshot-started", id: snapshot.id });
  return started(snapshot, context);
}

function checkTags({ Tags = [] }: StartSnapshotRequest): void {
  const names = Tags.map(({ Key = "" }) => Key);
  const odd = names.some((name) => name === "" || name.startsWith("aws:")) || new Set(names).size < names.length;
  if (odd || names.length > 50) throw invalid("INVALID_TAG", "Tags: at most 50, no two alike, none of aws:");
}

function parentOf(input: StartSnapshotRequest, context: Context): SnapshotRecord | undefined {
  const { Encrypted, ParentSnapshotId, VolumeSize = 0 } = input;
  if (VolumeSize > MOST_GIB) throw invalid("INVALID_VOLUME_SIZE", `VolumeSize: at most ${MOST_GIB} GiB`);
  if (ParentSnapshotId === undefined) return undefined;
  if (Encrypted !== undefined) {
    throw invalid("INVALID_PARAMETER_VALUE", "ParentSnapshotId and Encrypted cannot be given together");
  }
  const parent = ownSnapshot(context, ParentSnapshotId);
  const phase = phaseOf(parent, context.nowMs);
  if (phase !== "completed") throw invalid("INVALID_SNAPSHOT_ID", `The parent is ${phase}, not completed`);
  if (parent.volumeGiB > VolumeSize) throw invalid("INVALID_VOLUME_SIZE", "The volume is smaller than the parent's");
  checkEncryption(input, parent, context);
  return parent;
}

/** https://docs.aws.amazon.com/ebs/latest/userguide/ebsapis-using-encryption.html */
function checkEncryption({ KmsKeyArn }: StartSnapshotRequest, parent: SnapshotRecord, { region }: Context): void {
  const mixed = parent.kmsKeyArn === undefined && (KmsKeyArn !== undefined || region.encryptionByDefault);
  if (mixed) throw invalid("INVALID_PARAMETER_VALUE", "An unencrypted parent, and encryption is wanted");
}

function newSnapshot(
  input: StartSnapshotRequest,
  parent: SnapshotRecord | undefined,
  context: Context,
): SnapshotRecord {
  const { world, account, nowMs } = context;
  const { VolumeSize = 0, Description = "", Tags = [], Timeout = DEFAULT_TIMEOUT_MINUTES } = input;
  const id = newId("snap");
  return {
    id,
    ...inherited(input, parent, context),
    lineage: parent?.lineage ?? id,
    ownerId: account,
    startedMs: nowMs,
    volumeGiB: VolumeSize,
    description: Description,
    tags: new Map(Tags.map(({ Key = "", Value = "" }) => [Key, Value])),
    written: new Map(),
    copyOf: undefined,
    sharing: notShared(),
    visible: newVisibility(context),
    writable: { fromMs: nowMs + world.delays.writableMs, lookups: world.delays.writableCalls },
    timeoutMs: Timeout * world.delays.minuteMs,
    lastWriteMs: nowMs,
    failed: false,
    completesMs: undefined,
  };
}

function inherited(
  { Encrypted, KmsKeyArn }: StartSnapshotRequest,
  parent: SnapshotRecord | undefined,
  { region, account }: Context,
): Pick<SnapshotRecord, "parentId" | "kmsKeyArn" | "base"> {
  if (parent !== undefined) {
    return { parentId: parent.id, kmsKeyArn: parent.kmsKeyArn, base: new Map(blocksOf(parent)) };
  }
  const encrypted = Encrypted === true || region.encryptionByDefault;
  const kmsKeyArn = encrypted ? (KmsKeyArn ?? defaultKey(region.name, account)) : undefined;
  return { parentId: undefined, kmsKeyArn, base: new Map() };
}

export function defaultKey(region: string, account: string): string {
  return `arn:aws:kms:${region}:${account}:key/00000000-0000-4000-8000-000000000000`;
}

function started(snapshot: SnapshotRecord, { nowMs }: Context): StartSnapshotResponse {
  const tags = [...snapshot.tags].map(([Key, Value]) => ({ Key, Value }));
  return {
    SnapshotId: snapshot.id,
    OwnerId: snapshot.ownerId,
    Status: phaseOf(snapshot, nowMs),
    StartTime: new Date(snapshot.startedMs),
    VolumeSize: snapshot.volumeGiB,
    BlockSize: BLOCK_BYTES,
    SseType: snapshot.kmsKeyArn === undefined ? "none" : "sse-kms",
    ...(snapshot.description === "" ? {} : { Description: snapshot.description }),
    ...(tags.length === 0 ? {} : { Tags: tags }),
    ...(snapshot.parentId === undefined ? {} : { ParentSnapshotId: snapshot.parentId }),
    ...(snapshot.kmsKeyArn === undefined ? {} : { KmsKeyArn: snapshot.kmsKeyArn }),
  };
}

/** @throws {AwsFault} ResourceNotFoundException where it is not, or not ours. */
export function ownSnapshot({ region, account }: Context, id: string | undefined): SnapshotRecord {
  const found = region.snapshots.get(id ?? "");
  if (found?.ownerId === account) return found;
  throw notFound(id);
}

function notFound(id: string | undefined): AwsFault {
  const reason = "SNAPSHOT_NOT_FOUND";
  return new AwsFault("ResourceNotFoundException", `The snapshot '${id ?? ""}' does not exist.`, { reason });
}

/** The snapshot, where it still takes blocks. */
function pendingSnapshot(context: Context, id: string | undefined): SnapshotRecord {
  const found = ownSnapshot(context, id);
  if (!isVisible(found.writable, context.nowMs)) throw notFound(id);
  const phase = phaseOf(found, context.nowMs);
  if (phase !== "pending" || found.completesMs !== undefined || found.copyOf !== undefined) {
    throw invalid("INVALID_SNAPSHOT_ID", `The snapshot '${found.id}' is not pending: ${phase}.`);
  }
  return found;
}

interface PutInput {
  readonly SnapshotId: string;
  readonly BlockIndex: number;
  readonly BlockData: Buffer;
  readonly DataLength: number;
  readonly Checksum: string;
}

const beingWritten = new Set<string>();

async function put(input: PutInput, context: Context): Promise<PutSnapshotBlockResponse> {
  const { BlockData: bytes, BlockIndex: index, Checksum, DataLength } = input;
  const snapshot = pendingSnapshot(context, input.SnapshotId);
  if (DataLength !== BLOCK_BYTES || bytes.length !== BLOCK_BYTES) {
    throw invalid("INVALID_BLOCK", `DataLength ${DataLength}, ${bytes.length} bytes: a block has ${BLOCK_BYTES} bytes`);
  }
  if (index >= (snapshot.volumeGiB * GIB) / BLOCK_BYTES) {
    throw invalid("INVALID_BLOCK", `Block ${index} is past the end of a volume of ${snapshot.volumeGiB} GiB`);
  }
  const digest = hash("sha256", bytes, "hex");
  const checksum = Buffer.from(digest, "hex").toString("base64");
  if (checksum !== Checksum) throw invalid("INVALID_BLOCK", `The checksum of block ${index} does not match its data`);
  const key = `${snapshot.id}/${index}`;
  if (beingWritten.has(key)) throw invalid("CONFLICTING_BLOCK_UPDATE", `Block ${index} is being written`);
  beingWritten.add(key);
  try {
    await context.world.blocks.put(digest, bytes);
  } finally {
    beingWritten.delete(key);
  }
  snapshot.written.set(index, digest);
  snapshot.lastWriteMs = context.world.now();
  return { Checksum: checksum, ChecksumAlgorithm: "SHA256" };
}

function complete(input: CompleteSnapshotRequest, context: Context): CompleteSnapshotResponse {
  const snapshot = pendingSnapshot(context, input.SnapshotId);
  if (input.ChangedBlocksCount !== snapshot.written.size) {
    const message = `ChangedBlocksCount ${input.ChangedBlocksCount ?? 0}, but ${snapshot.written.size} were written`;
    throw invalid("INVALID_PARAMETER_VALUE", message);
  }
  if (input.Checksum !== undefined && input.Checksum !== linearChecksum(snapshot.written)) {
    throw invalid("INVALID_PARAMETER_VALUE", "The checksum of the snapshot does not match those of its blocks");
  }
  snapshot.completesMs = context.nowMs + context.world.delays.completeMs;
  record(context, { kind: "snapshot-sealed", id: snapshot.id, detail: `${snapshot.written.size} blocks` });
  return { Status: phaseOf(snapshot, context.nowMs) };
}

/** SHA-256 over the raw digests of the blocks, in the order of their indices. */
function linearChecksum(written: ReadonlyMap<number, string>): string {
  const sum = createHash("sha256");
  for (const [, digest] of [...written].sort(([a], [b]) => a - b)) sum.update(digest, "hex");
  return sum.digest("base64");
}
