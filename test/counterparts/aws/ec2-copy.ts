/** CopyImage: an AMI and its snapshots to another region. Permissions stay behind. */
import type { BlockDeviceMapping, CopyImageRequest, CopyImageResult } from "@aws-sdk/client-ec2";
import { AwsFault } from "./aws-fault.ts";
import {
  blocksOf,
  newId,
  notShared,
  phaseOf,
  type ImageRecord,
  type RegionRecord,
  type SnapshotRecord,
} from "./aws-state.ts";
import { badValue, tagsFor } from "./ec2-answers.ts";
import { imageById, imageStateOf } from "./ec2-images.ts";
import { checkImageName } from "./ec2-register.ts";
import { defaultKey } from "./ebs-write.ts";
import { idsOfToken, newVisibility, record, type Actions, type Context } from "./world.ts";

export const copyActions: Actions = { CopyImage: copyImage };

function copyImage(input: CopyImageRequest, context: Context): CopyImageResult {
  const { region, world } = context;
  // An image's name is not unique among copies.
  const name = checkImageName(input.Name);
  const token = { kind: "CopyImage", value: input.ClientToken, request: input };
  const { known, keep } = idsOfToken(context, token, "IdempotentParameterMismatch");
  if (known?.[0] !== undefined) return { ImageId: known[0] };
  const origin = world.state.regions.get(input.SourceRegion ?? "");
  if (origin === undefined) throw badValue(`Invalid source region ${input.SourceRegion ?? ""}`);
  const source = imageById({ ...context, region: origin }, input.SourceImageId);
  if (imageStateOf(source, context.nowMs) !== "available") {
    throw new AwsFault("InvalidAMIID.Unavailable", `The image ${source.id} is not available`);
  }
  checkRoom(source, context);
  const id = newId("ami");
  const mappings = source.mappings.map((each) => copyMapping(each, { origin, source, id, input }, context));
  const image = copyOf(source, { id, name, mappings, region: origin.name }, { input, context });
  region.images.set(id, image);
  keep([id]);
  record(context, { kind: "image-copied", id, detail: `${source.id} of ${origin.name}` });
  return { ImageId: id };
}

function checkRoom(source: ImageRecord, { region, world, nowMs }: Context): void {
  const copies = [...region.snapshots.values()].filter(
    (each) => each.copyOf !== undefined && phaseOf(each, nowMs) === "pending",
  );
  if (copies.length + snapshotIds(source).length <= world.limits.concurrentCopies) return;
  const message = `Too many snapshot copies in progress. The limit is ${world.limits.concurrentCopies} for this destination region.`;
  throw new AwsFault("ResourceLimitExceeded", message);
}

function snapshotIds({ mappings }: ImageRecord): readonly string[] {
  return mappings.flatMap(({ Ebs }) => (Ebs?.SnapshotId === undefined ? [] : [Ebs.SnapshotId]));
}

function copyOf(
  source: ImageRecord,
  made: {
    readonly id: string;
    readonly name: string;
    readonly mappings: BlockDeviceMapping[];
    readonly region: string;
  },
  { input, context }: { readonly input: CopyImageRequest; readonly context: Context },
): ImageRecord {
  const copied = input.CopyImageTags === true && source.ownerId === context.account ? source.tags : [];
  return {
    ...source,
    id: made.id,
    name: made.name,
    mappings: made.mappings,
    ownerId: context.account,
    createdMs: context.nowMs,
    availableMs: context.nowMs + context.world.delays.copyMs,
    source: { id: source.id, region: made.region },
    tags: new Map([...copied, ...tagsFor("image", input.TagSpecifications, ["image", "snapshot"])]),
    sharing: notShared(),
    visible: newVisibility(context),
    description: input.Description ?? source.description,
    deprecateMs: undefined,
    disabled: false,
    protection: "disabled",
    lastLaunchedMs: undefined,
  };
}

interface Copying {
  readonly origin: RegionRecord;
  readonly source: ImageRecord;
  /** The image that is being made. */
  readonly id: string;
  readonly input: CopyImageRequest;
}

function copyMapping(mapping: BlockDeviceMapping, copying: Copying, context: Context): BlockDeviceMapping {
  const snapshot = copying.origin.snapshots.get(mapping.Ebs?.SnapshotId ?? "");
  if (snapshot === undefined) return mapping;
  const copy = copySnapshot(snapshot, copying, context);
  context.region.snapshots.set(copy.id, copy);
  return { ...mapping, Ebs: { ...mapping.Ebs, SnapshotId: copy.id, Encrypted: copy.kmsKeyArn !== undefined } };
}

function copySnapshot(snapshot: SnapshotRecord, copying: Copying, context: Context): SnapshotRecord {
  const { region, account, nowMs, world } = context;
  const { input, origin, source, id } = copying;
  const encrypted = snapshot.kmsKeyArn !== undefined || input.Encrypted === true || region.encryptionByDefault;
  const own = newId("snap");
  return {
    ...snapshot,
    id: own,
    lineage: own,
    ownerId: account,
    startedMs: nowMs,
    description: `Copied for DestinationAmi ${id} from SourceAmi ${source.id} for SourceSnapshot ${snapshot.id}.`,
    tags: tagsFor("snapshot", input.TagSpecifications, ["image", "snapshot"]),
    parentId: undefined,
    kmsKeyArn: encrypted ? (input.KmsKeyId ?? defaultKey(region.name, account)) : undefined,
    written: new Map(blocksOf(snapshot)),
    base: new Map(),
    copyOf: { region: origin.name, id: snapshot.id },
    sharing: notShared(),
    visible: newVisibility(context),
    lastWriteMs: nowMs,
    completesMs: nowMs + world.delays.copyMs,
  };
}
