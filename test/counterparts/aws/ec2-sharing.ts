/** Who may use images and snapshots, and what of the account or its limits forbids it. */
import type {
  LaunchPermission,
  ModifyImageAttributeRequest,
  ModifySnapshotAttributeRequest,
} from "@aws-sdk/client-ec2";
import { AwsFault } from "./aws-fault.ts";
import type { ImageRecord, Sharing } from "./aws-state.ts";
import { badCombination, badValue } from "./ec2-answers.ts";
import { imageStateOf, ownImage } from "./ec2-images.ts";
import { ownSnapshotById } from "./ec2-snapshots.ts";
import { record, type Actions, type Context } from "./world.ts";

export const sharingActions: Actions = {
  ModifyImageAttribute: modifyImage,
  ModifySnapshotAttribute: modifySnapshot,
};

/** An AMI that becomes public is deprecated so long after it was made, at the latest. */
export const PUBLIC_YEARS_MS = 2 * 365 * 24 * 60 * 60_000;
/** Changes of a snapshot's permissions in one call. */
const MOST_CHANGES = 500;

interface Change {
  readonly add: readonly LaunchPermission[];
  readonly remove: readonly LaunchPermission[];
}

function modifyImage(input: ModifyImageAttributeRequest, context: Context): object {
  const image = ownImage(context, input.ImageId);
  if (imageStateOf(image, context.nowMs) === "pending") {
    throw new AwsFault("InvalidAMIID.Unavailable", `The image ${image.id} is not available`);
  }
  const given = [imagePermissions(input), input.Description, input.ImdsSupport].filter((each) => each !== undefined);
  if (given.length !== 1) throw badCombination("Exactly one attribute can be changed by a call");
  if (input.Description !== undefined) image.description = input.Description.Value ?? "";
  else if (input.ImdsSupport !== undefined) setImds(image, input.ImdsSupport.Value);
  else shareImage(image, imagePermissions(input) ?? { add: [], remove: [] }, context);
  return {};
}

function setImds(image: ImageRecord, value: string | undefined): void {
  if (value !== "v2.0") throw badValue("The only value of imdsSupport is v2.0");
  image.imds = value;
}

function imagePermissions(input: ModifyImageAttributeRequest): Change | undefined {
  const { LaunchPermission: permission, OperationType, Attribute } = input;
  if (permission !== undefined) return changeOf(permission);
  if (OperationType === undefined) return undefined;
  if (Attribute !== "launchPermission") throw badValue("OperationType is for the attribute launchPermission");
  const { UserGroups = [], UserIds = [], OrganizationArns = [], OrganizationalUnitArns = [] } = input;
  const listed: readonly LaunchPermission[] = [
    ...entities(UserGroups, UserIds),
    ...OrganizationArns.map((OrganizationArn) => ({ OrganizationArn })),
    ...OrganizationalUnitArns.map((OrganizationalUnitArn) => ({ OrganizationalUnitArn })),
  ];
  return operation(OperationType, listed);
}

function changeOf({
  Add = [],
  Remove = [],
}: {
  Add?: LaunchPermission[] | undefined;
  Remove?: LaunchPermission[] | undefined;
}) {
  return { add: Add, remove: Remove };
}

function entities(groups: readonly string[], users: readonly string[]): readonly LaunchPermission[] {
  return [...groups.map((Group) => ({ Group: Group as "all" })), ...users.map((UserId) => ({ UserId }))];
}

function operation(type: "add" | "remove", listed: readonly LaunchPermission[]): Change {
  return type === "add" ? { add: listed, remove: [] } : { add: [], remove: listed };
}

function shareImage(image: ImageRecord, change: Change, context: Context): void {
  if (image.disabled) throw new AwsFault("InvalidAMIID.Unavailable", `The image ${image.id} is disabled`);
  checkEntities(change);
  if (becomesPublic(image.sharing, change)) {
    checkPublicImage(image, context);
    image.deprecateMs ??= image.createdMs + PUBLIC_YEARS_MS;
  }
  applyChange(image.sharing, change, { kind: "image", id: image.id, context });
}

function checkPublicImage(image: ImageRecord, { region, account }: Context): void {
  if (region.imageBlock.state === "block-new-sharing") throw notPublicHere("AMIs");
  const encrypted = image.mappings.some(({ Ebs }) => Ebs?.Encrypted === true);
  if (encrypted) {
    throw new AwsFault("InvalidParameter", `Image ${image.id} has an encrypted snapshot and cannot be public`);
  }
  const ours = [...region.images.values()].filter((each) => each.ownerId === account && each.sharing.public);
  const quota = region.publicImageQuota;
  if (ours.length < quota) return;
  const message = `You have reached your quota of ${quota} for the number of public images allowed in this Region. Deregister unused public images or request an increase in your public AMIs quota.`;
  throw new AwsFault("ResourceLimitExceeded", message);
}

function notPublicHere(what: string): AwsFault {
  const message = `You can't publicly share ${what}: block public access is enabled for them in this account and Region.`;
  return new AwsFault("OperationNotPermitted", message);
}

function checkEntities({ add, remove }: Change): void {
  const odd = [...add, ...remove].some((each) =>
    Object.entries(each).some(([name, value]) => !ENTITIES[name]?.test(String(value))),
  );
  if (odd) {
    throw new AwsFault("InvalidAMIAttributeItemValue", "Not an account, an organization, a unit or `all`");
  }
}

const ENTITIES: Readonly<Record<string, RegExp>> = {
  Group: /^all$/,
  UserId: /^\d{12}$/,
  OrganizationArn: /^arn:aws[a-z-]*:organizations::\d*:organization\//,
  OrganizationalUnitArn: /^arn:aws[a-z-]*:organizations::\d*:ou\//,
};

function becomesPublic(sharing: Sharing, { add }: Change): boolean {
  return !sharing.public && add.some(({ Group }) => Group === "all");
}

interface Shared {
  readonly kind: "image" | "snapshot";
  readonly id: string;
  readonly context: Context;
}

function applyChange(sharing: Sharing, { add, remove }: Change, shared: Shared): void {
  const { kind, id, context } = shared;
  if (remove.some(({ Group }) => Group === "all") && sharing.public) {
    sharing.public = false;
    record(context, { kind: `${kind}-private`, id });
  }
  if (becomesPublic(sharing, { add, remove })) {
    sharing.public = true;
    record(context, { kind: `${kind}-public`, id });
  }
  for (const [set, detail] of remove.flatMap((each) => entitySets(sharing, each))) {
    if (set.delete(detail)) record(context, { kind: `${kind}-unshared`, id, detail });
  }
  for (const [set, detail] of add.flatMap((each) => entitySets(sharing, each))) {
    if (!set.has(detail)) record(context, { kind: `${kind}-shared`, id, detail });
    set.add(detail);
  }
}

function entitySets(sharing: Sharing, each: LaunchPermission): readonly (readonly [Set<string>, string])[] {
  const pairs: readonly (readonly [Set<string>, string | undefined])[] = [
    [sharing.users, each.UserId],
    [sharing.organizations, each.OrganizationArn],
    [sharing.units, each.OrganizationalUnitArn],
  ];
  return pairs.flatMap(([set, name]) => (name === undefined ? [] : [[set, name] as const]));
}

function modifySnapshot(input: ModifySnapshotAttributeRequest, context: Context): object {
  const snapshot = ownSnapshotById(context, input.SnapshotId);
  if ((input.Attribute ?? "createVolumePermission") !== "createVolumePermission") {
    throw badValue("Only createVolumePermission can be changed");
  }
  const change = snapshotPermissions(input);
  checkEntities(change);
  if (change.add.length + change.remove.length > MOST_CHANGES) throw badValue("At most 500 changes in a call");
  const encrypted = snapshot.kmsKeyArn !== undefined && change.add.length > 0;
  if (encrypted) {
    throw new AwsFault("OperationNotPermitted", "Encrypted snapshots with EBS default key cannot be shared");
  }
  const blocked = context.region.snapshotBlock.state !== "unblocked";
  if (blocked && becomesPublic(snapshot.sharing, change)) throw notPublicHere("snapshots");
  applyChange(snapshot.sharing, change, { kind: "snapshot", id: snapshot.id, context });
  return {};
}

function snapshotPermissions(input: ModifySnapshotAttributeRequest): Change {
  const { CreateVolumePermission: permission, OperationType, GroupNames = [], UserIds = [] } = input;
  if (permission !== undefined) return changeOf(permission);
  const listed = entities(GroupNames, UserIds);
  if (OperationType === undefined || listed.length === 0) throw badCombination("Nothing to add or to remove");
  return operation(OperationType, listed);
}
