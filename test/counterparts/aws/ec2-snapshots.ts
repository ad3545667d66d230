/** Snapshots as EC2 shows them. */
import type {
  DeleteSnapshotRequest,
  DescribeSnapshotAttributeRequest,
  DescribeSnapshotAttributeResult,
  DescribeSnapshotsRequest,
  DescribeSnapshotsResult,
  Snapshot,
} from "@aws-sdk/client-ec2";
import { AwsFault } from "./aws-fault.ts";
import { isVisible, phaseOf, type SnapshotRecord } from "./aws-state.ts";
import { filtered, paged, tagsOf, type FilterTable } from "./ec2-answers.ts";
import { record, type Actions, type Context } from "./world.ts";

export const snapshotActions: Actions = {
  DescribeSnapshots: describeSnapshots,
  DescribeSnapshotAttribute: describeSnapshotAttribute,
  DeleteSnapshot: deleteSnapshot,
};

const FILTERS: FilterTable<Snapshot> = {
  by: {
    description: ({ Description }) => [Description],
    encrypted: ({ Encrypted }) => [String(Encrypted)],
    "owner-id": ({ OwnerId }) => [OwnerId],
    progress: ({ Progress }) => [Progress],
    "snapshot-id": ({ SnapshotId }) => [SnapshotId],
    "start-time": ({ StartTime }) => [StartTime?.toISOString()],
    status: ({ State }) => [State],
    "volume-id": ({ VolumeId }) => [VolumeId],
    "volume-size": ({ VolumeSize }) => [String(VolumeSize)],
  },
  tags: ({ Tags = [] }) => new Map(Tags.map(({ Key = "", Value = "" }) => [Key, Value])),
};

function canUse(snapshot: SnapshotRecord, { account, region }: Context): boolean {
  const public_ = snapshot.sharing.public && region.snapshotBlock.state !== "block-all-sharing";
  return snapshot.ownerId === account || public_ || snapshot.sharing.users.has(account);
}

function describeSnapshots(input: DescribeSnapshotsRequest, context: Context): DescribeSnapshotsResult {
  const { account, nowMs, region } = context;
  const seen = [...region.snapshots.values()].filter(
    (each) =>
      (input.SnapshotIds?.includes(each.id) ?? true) &&
      (input.OwnerIds?.some((owner) => (owner === "self" ? account : owner) === each.ownerId) ?? true) &&
      canUse(each, context) &&
      isVisible(each.visible, nowMs),
  );
  const known = new Set(seen.map(({ id }) => id));
  for (const id of input.SnapshotIds ?? []) if (!known.has(id)) throw noSnapshot(id);
  const snapshots = filtered(
    seen.map((each) => snapshotOf(each, nowMs)),
    input.Filters,
    FILTERS,
  );
  const { page, next } = paged(snapshots, { ...input, ids: input.SnapshotIds }, context);
  return { Snapshots: [...page], ...next };
}

function snapshotOf(snapshot: SnapshotRecord, nowMs: number): Snapshot {
  const phase = phaseOf(snapshot, nowMs);
  return {
    SnapshotId: snapshot.id,
    OwnerId: snapshot.ownerId,
    VolumeId: "vol-ffffffff",
    State: phase,
    Progress: phase === "completed" ? "100%" : "0%",
    StartTime: new Date(snapshot.startedMs),
    Description: snapshot.description,
    VolumeSize: snapshot.volumeGiB,
    Encrypted: snapshot.kmsKeyArn !== undefined,
    StorageTier: "standard",
    ...(snapshot.kmsKeyArn === undefined ? {} : { KmsKeyId: snapshot.kmsKeyArn }),
    ...(phase === "error" ? { StateMessage: "The snapshot was not completed in time" } : {}),
    ...tagsOf(snapshot.tags),
  };
}

function noSnapshot(id: string | undefined): AwsFault {
  return new AwsFault("InvalidSnapshot.NotFound", `The snapshot '${id ?? ""}' does not exist.`);
}

/** A snapshot that is there, seen, and usable by the account. */
export function snapshotById(context: Context, id: string | undefined): SnapshotRecord {
  if (!/^snap-[0-9a-f]{8,17}$/.test(id ?? "")) {
    throw new AwsFault("InvalidSnapshotID.Malformed", `Invalid id: "${id ?? ""}" (expecting "snap-...")`);
  }
  const found = context.region.snapshots.get(id ?? "");
  if (found === undefined || !canUse(found, context) || !isVisible(found.visible, context.nowMs)) throw noSnapshot(id);
  return found;
}

export function ownSnapshotById(context: Context, id: string | undefined): SnapshotRecord {
  const found = snapshotById(context, id);
  if (found.ownerId === context.account) return found;
  throw new AwsFault("AuthFailure", `You do not own the snapshot ${found.id}`, { status: 403 });
}

function describeSnapshotAttribute(
  input: DescribeSnapshotAttributeRequest,
  context: Context,
): DescribeSnapshotAttributeResult {
  const { id, sharing } = ownSnapshotById(context, input.SnapshotId);
  if (input.Attribute !== "createVolumePermission") return { SnapshotId: id, ProductCodes: [] };
  const group = sharing.public ? [{ Group: "all" as const }] : [];
  return { SnapshotId: id, CreateVolumePermissions: [...group, ...[...sharing.users].map((UserId) => ({ UserId }))] };
}

/** The image that needs a snapshot. */
export function userOf({ region }: Context, snapshotId: string): string | undefined {
  return [...region.images.values()].find(({ mappings }) => mappings.some(({ Ebs }) => Ebs?.SnapshotId === snapshotId))
    ?.id;
}

function deleteSnapshot(input: DeleteSnapshotRequest, context: Context): object {
  const { id } = ownSnapshotById(context, input.SnapshotId);
  const user = userOf(context, id);
  if (user !== undefined) {
    throw new AwsFault("InvalidSnapshot.InUse", `The snapshot ${id} is currently in use by ${user}`);
  }
  removeSnapshot(context, id);
  return {};
}

export function removeSnapshot(context: Context, id: string): void {
  context.region.snapshots.delete(id);
  record(context, { kind: "snapshot-deleted", id });
}
