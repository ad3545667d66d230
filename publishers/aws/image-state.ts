import type { AwsOutput } from "../../src/aws/clients.ts";
import { readTags, type Tags } from "../../src/aws/managed-tags.ts";
import { ROOT_DEVICE, type ImagePlan } from "./image-plan.ts";
import { hasTagsOf, TAGS } from "./tags.ts";

/** Types, not interfaces, here and in state.ts: a publisher's state is plain JSON, which an interface is not to TypeScript. */
export type ImageState = {
  readonly id: string;
  readonly name: string;
  /** pending, available, failed, disabled, … */
  readonly state: string;
  readonly reason: string | null;
  readonly architecture: string | null;
  readonly bootMode: string | null;
  readonly ena: boolean;
  readonly imds: string | null;
  readonly tpm: boolean;
  readonly rootDevice: string | null;
  readonly snapshot: string | null;
  readonly volumeType: string | null;
  readonly volumeGiB: number;
  readonly encrypted: boolean;
  readonly isPublic: boolean;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly deprecatedAt: string | null;
  readonly tags: Tags;
};

export type SnapshotState = {
  readonly id: string;
  /** pending, completed, error. */
  readonly state: string;
  readonly startedAt: string;
  readonly volumeGiB: number;
  readonly encrypted: boolean;
  readonly tags: Tags;
};

type Image = NonNullable<AwsOutput<"ec2:DescribeImages">["Images"]>[number];
type Snapshot = NonNullable<AwsOutput<"ec2:DescribeSnapshots">["Snapshots"]>[number];

export function imageState(image: Image): ImageState {
  const { ImageId = "", Name = "", State = "unknown", Public = false, CreationDate = "" } = image;
  return {
    id: ImageId,
    name: Name,
    state: State,
    reason: reasonOf(image),
    ...machine(image),
    ...rootVolume(image),
    isPublic: Public,
    createdAt: CreationDate,
    deprecatedAt: image.DeprecationTime ?? null,
    tags: readTags(image.Tags),
  };
}

function reasonOf({ StateReason: reason }: Image): string | null {
  return reason?.Message ?? null;
}

type Machine = Pick<ImageState, "architecture" | "bootMode" | "ena" | "imds" | "tpm" | "rootDevice">;

function machine(image: Image): Machine {
  return {
    architecture: image.Architecture ?? null,
    bootMode: image.BootMode ?? null,
    ena: image.EnaSupport ?? false,
    imds: image.ImdsSupport ?? null,
    tpm: image.TpmSupport === "v2.0",
    rootDevice: image.RootDeviceName ?? null,
  };
}

function rootVolume({
  BlockDeviceMappings: devices = [],
  RootDeviceName: name,
}: Image): Pick<ImageState, "snapshot" | "volumeType" | "volumeGiB" | "encrypted"> {
  const { Ebs: volume = {} } = devices.find(({ DeviceName }) => DeviceName === name) ?? {};
  return {
    snapshot: volume.SnapshotId ?? null,
    volumeType: volume.VolumeType ?? null,
    volumeGiB: volume.VolumeSize ?? 0,
    encrypted: volume.Encrypted ?? false,
  };
}

export function snapshotState(snapshot: Snapshot): SnapshotState {
  return {
    id: snapshot.SnapshotId ?? "",
    state: snapshot.State ?? "unknown",
    startedAt: snapshot.StartTime?.toISOString() ?? "",
    volumeGiB: snapshot.VolumeSize ?? 0,
    encrypted: snapshot.Encrypted ?? false,
    tags: readTags(snapshot.Tags),
  };
}

/** What of an image is not as it is wanted: `bootMode is uefi-preferred, not uefi`. */
export function mismatches({ name, settings, content, attributes }: ImagePlan, image: ImageState): readonly string[] {
  const { architecture, bootMode, ena, imds, tpm, volumeType, volumeGiB } = settings;
  const wanted = { name, architecture, bootMode, ena, imds, tpm, volumeType, volumeGiB, rootDevice: ROOT_DEVICE };
  const wrong = Object.entries(wanted).flatMap(([key, value]) => {
    const found = image[key as keyof typeof wanted];
    return found === value ? [] : [`${key} is ${String(found)}, not ${String(value)}`];
  });
  return hasTagsOf(image.tags, { content, attributes }) ? wrong : [...wrong, "its tags are of another image"];
}

/** States of an image that is there, or will be. */
const LIVING = new Set(["available", "pending", "disabled", "transient"]);

export function isLiving({ state }: ImageState): boolean {
  return LIVING.has(state);
}

/**
 * The image that a plan wants, among all that are there. CopyImage lets several have one name: all runs take the oldest.
 */
export function ownImage(images: readonly ImageState[], plan: ImagePlan): ImageState | undefined {
  return images
    .filter((image) => image.name === plan.name && hasTagsOf(image.tags, plan) && isLiving(image))
    .sort(byAge)[0];
}

/** Images that have the plan's name and are something else. */
export function strangers(images: readonly ImageState[], plan: ImagePlan): readonly ImageState[] {
  return images.filter((image) => image.name === plan.name && !hasTagsOf(image.tags, plan) && isLiving(image));
}

/** Other releases of the same template and architecture, oldest first. */
export function otherReleases(
  images: readonly ImageState[],
  { name, template, arch }: ImagePlan,
): readonly ImageState[] {
  return images
    .filter(({ tags }) => tags[TAGS.managed] === "true" && tags[TAGS.template] === template && tags[TAGS.arch] === arch)
    .filter((image) => image.name !== name && isLiving(image))
    .sort(byAge);
}

export function byAge(a: ImageState, b: ImageState): number {
  return a.createdAt.localeCompare(b.createdAt) || a.id.localeCompare(b.id);
}
