/** AMIs as EC2 shows them. */
import type {
  DescribeImageAttributeRequest,
  DescribeImagesRequest,
  DescribeImagesResult,
  Image,
  ImageAttribute,
  LaunchPermission,
} from "@aws-sdk/client-ec2";
import { AwsFault } from "./aws-fault.ts";
import { isVisible, type ImageRecord, type Sharing } from "./aws-state.ts";
import { badCombination, filtered, paged, tagsOf, type FilterTable } from "./ec2-answers.ts";
import type { Actions, Context } from "./world.ts";

export const imageActions: Actions = {
  DescribeImages: describeImages,
  DescribeImageAttribute: describeImageAttribute,
};

const FILTERS: FilterTable<Image> = {
  by: {
    architecture: ({ Architecture }) => [Architecture],
    "block-device-mapping.snapshot-id": ({ BlockDeviceMappings = [] }) =>
      BlockDeviceMappings.map(({ Ebs }) => Ebs?.SnapshotId),
    "boot-mode": ({ BootMode }) => [BootMode],
    "creation-date": ({ CreationDate }) => [CreationDate],
    description: ({ Description }) => [Description],
    "image-id": ({ ImageId }) => [ImageId],
    "is-public": ({ Public }) => [String(Public)],
    name: ({ Name }) => [Name],
    "owner-id": ({ OwnerId }) => [OwnerId],
    "root-device-name": ({ RootDeviceName }) => [RootDeviceName],
    "source-image-id": ({ SourceImageId }) => [SourceImageId],
    "source-image-region": ({ SourceImageRegion }) => [SourceImageRegion],
    state: ({ State }) => [State],
    "virtualization-type": ({ VirtualizationType }) => [VirtualizationType],
  },
  tags: ({ Tags = [] }) => new Map(Tags.map(({ Key = "", Value = "" }) => [Key, Value])),
};

export function canUse(image: ImageRecord, account: string): boolean {
  return image.ownerId === account || image.sharing.public || image.sharing.users.has(account);
}

function describeImages(input: DescribeImagesRequest, context: Context): DescribeImagesResult {
  const seen = [...context.region.images.values()].filter((each) => isListed(each, input, context));
  const known = new Set(seen.map(({ id }) => id));
  for (const id of input.ImageIds ?? []) if (!known.has(id)) throw noImage(id);
  const images = filtered(
    seen.map((each) => imageOf(each, context)),
    input.Filters,
    FILTERS,
  );
  const { page, next } = paged(images, { ...input, ids: input.ImageIds }, context);
  return { Images: [...page], ...next };
}

function isListed(image: ImageRecord, input: DescribeImagesRequest, { account, nowMs }: Context): boolean {
  return (
    canUse(image, account) &&
    isOwnedBy(image, input.Owners, account) &&
    isSharedWith(image, input.ExecutableUsers, account) &&
    (input.ImageIds === undefined ? isShown(image, input, { account, nowMs }) : input.ImageIds.includes(image.id)) &&
    isVisible(image.visible, nowMs)
  );
}

/** In lists that do not name it: others' deprecated images and disabled ones only where they are asked for. */
function isShown(
  { deprecateMs = Infinity, disabled, ownerId }: ImageRecord,
  { IncludeDeprecated, IncludeDisabled }: DescribeImagesRequest,
  { account, nowMs }: Pick<Context, "account" | "nowMs">,
): boolean {
  const hidden = deprecateMs <= nowMs && ownerId !== account && IncludeDeprecated !== true;
  return !hidden && (!disabled || IncludeDisabled === true);
}

function isOwnedBy(image: ImageRecord, owners: readonly string[] | undefined, account: string): boolean {
  return owners === undefined || owners.some((each) => (each === "self" ? account : each) === image.ownerId);
}

function isSharedWith({ sharing }: ImageRecord, users: readonly string[] | undefined, account: string): boolean {
  return (
    users === undefined ||
    users.some((each) => (each === "all" ? sharing.public : sharing.users.has(each === "self" ? account : each)))
  );
}

export function imageStateOf(image: ImageRecord, nowMs: number): "pending" | "available" | "disabled" {
  if (image.disabled) return "disabled";
  return nowMs >= image.availableMs ? "available" : "pending";
}

function imageOf(image: ImageRecord, { nowMs }: Context): Image {
  return {
    ImageId: image.id,
    Name: image.name,
    OwnerId: image.ownerId,
    ImageLocation: `${image.ownerId}/${image.name}`,
    State: imageStateOf(image, nowMs),
    CreationDate: new Date(image.createdMs).toISOString(),
    Public: image.sharing.public,
    Architecture: image.architecture,
    ImageType: "machine",
    PlatformDetails: "Linux/UNIX",
    UsageOperation: "RunInstances",
    Hypervisor: "xen",
    VirtualizationType: image.virtualizationType,
    RootDeviceName: image.rootDeviceName,
    RootDeviceType: "ebs",
    BlockDeviceMappings: [...image.mappings],
    EnaSupport: image.ena,
    DeregistrationProtection: image.protection,
    ...optional(image),
    ...tagsOf(image.tags),
  } as Image;
}

function optional(image: ImageRecord): Readonly<Record<string, string>> {
  const all = {
    Description: image.description,
    BootMode: image.bootMode,
    SriovNetSupport: image.sriov,
    TpmSupport: image.tpm,
    ImdsSupport: image.imds,
    SourceImageId: image.source?.id,
    SourceImageRegion: image.source?.region,
    DeprecationTime: timeText(image.deprecateMs),
    LastLaunchedTime: timeText(image.lastLaunchedMs),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Record<string, string>;
}

function timeText(atMs: number | undefined): string | undefined {
  return atMs === undefined ? undefined : new Date(atMs).toISOString();
}

function noImage(id: string | undefined): AwsFault {
  return new AwsFault("InvalidAMIID.NotFound", `The image id '[${id ?? ""}]' does not exist`);
}

/** An image that is there, seen, and usable by the account. */
export function imageById({ region, account, nowMs }: Context, id: string | undefined): ImageRecord {
  if (!/^ami-[0-9a-f]{8,17}$/.test(id ?? "")) {
    throw new AwsFault("InvalidAMIID.Malformed", `Invalid id: "${id ?? ""}" (expecting "ami-...")`);
  }
  const found = region.images.get(id ?? "");
  if (found === undefined || !canUse(found, account) || !isVisible(found.visible, nowMs)) throw noImage(id);
  return found;
}

/** An image of the account's own: what may be changed. */
export function ownImage(context: Context, id: string | undefined): ImageRecord {
  const found = imageById(context, id);
  if (found.ownerId === context.account) return found;
  throw new AwsFault("AuthFailure", `Not authorized for image:${found.id}`, { status: 403 });
}

function permissionsOf(sharing: Sharing): LaunchPermission[] {
  return [
    ...(sharing.public ? [{ Group: "all" as const }] : []),
    ...[...sharing.users].map((UserId) => ({ UserId })),
    ...[...sharing.organizations].map((OrganizationArn) => ({ OrganizationArn })),
    ...[...sharing.units].map((OrganizationalUnitArn) => ({ OrganizationalUnitArn })),
  ];
}

const ATTRIBUTES: Readonly<Record<string, (image: ImageRecord) => ImageAttribute>> = {
  launchPermission: ({ sharing }) => ({ LaunchPermissions: permissionsOf(sharing) }),
  description: ({ description }) => ({ Description: valueOf(description) }),
  bootMode: ({ bootMode }) => ({ BootMode: valueOf(bootMode) }),
  tpmSupport: ({ tpm }) => ({ TpmSupport: valueOf(tpm) }),
  uefiData: ({ uefiData }) => ({ UefiData: valueOf(uefiData) }),
  imdsSupport: ({ imds }) => ({ ImdsSupport: valueOf(imds) }),
  sriovNetSupport: ({ sriov }) => ({ SriovNetSupport: valueOf(sriov) }),
  blockDeviceMapping: ({ mappings }) => ({ BlockDeviceMappings: [...mappings] }),
  lastLaunchedTime: ({ lastLaunchedMs }) => ({ LastLaunchedTime: valueOf(timeText(lastLaunchedMs)) }),
  deregistrationProtection: ({ protection }) => ({ DeregistrationProtection: valueOf(protection) }),
};

function valueOf(value: string | undefined): { readonly Value?: string } {
  return value === undefined ? {} : { Value: value };
}

function describeImageAttribute(input: DescribeImageAttributeRequest, context: Context): ImageAttribute {
  const image = ownImage(context, input.ImageId);
  const read = ATTRIBUTES[input.Attribute ?? ""];
  if (read === undefined) throw badCombination(`No attribute ${input.Attribute ?? ""} of this image`);
  return { ImageId: image.id, ...read(image) };
}
