/** What becomes of AMIs: deprecated, disabled, protected, deregistered. */
import type {
  DeregisterImageRequest,
  DeregisterImageResult,
  DescribeImageReferencesRequest,
  DescribeImageReferencesResult,
  EnableImageDeprecationRequest,
  EnableImageDeregistrationProtectionRequest,
} from "@aws-sdk/client-ec2";
import { AwsFault } from "./aws-fault.ts";
import type { ImageRecord } from "./aws-state.ts";
import { badValue, paged } from "./ec2-answers.ts";
import { ownImage } from "./ec2-images.ts";
import { PUBLIC_YEARS_MS } from "./ec2-sharing.ts";
import { removeSnapshot, userOf } from "./ec2-snapshots.ts";
import { record, type Actions, type Context } from "./world.ts";

const YEAR_MS = 365 * 24 * 60 * 60_000;
const MINUTE_MS = 60_000;

interface OfAnImage {
  readonly ImageId: string;
}

export const imageLifeActions: Actions = {
  EnableImageDeprecation: deprecate,
  DisableImageDeprecation: undeprecate,
  DisableImage: disable,
  EnableImage: enable,
  EnableImageDeregistrationProtection: protect,
  DisableImageDeregistrationProtection: unprotect,
  DeregisterImage: deregister,
  DescribeImageReferences: references,
};

function deprecate(input: EnableImageDeprecationRequest, context: Context): object {
  const image = ownImage(context, input.ImageId);
  // Seconds are not kept.
  const atMs = Math.floor((input.DeprecateAt?.getTime() ?? 0) / MINUTE_MS) * MINUTE_MS;
  if (atMs < context.nowMs - MINUTE_MS) throw badValue("The deprecation date must be in the future");
  const latestMs = image.sharing.public ? image.createdMs + PUBLIC_YEARS_MS : context.nowMs + 10 * YEAR_MS;
  if (atMs > latestMs) throw badValue(`The deprecation date must not be after ${new Date(latestMs).toISOString()}`);
  image.deprecateMs = atMs;
  record(context, { kind: "image-deprecated", id: image.id, detail: new Date(atMs).toISOString() });
  return { Return: true };
}

/** A public image keeps the date that it got by becoming public. */
function undeprecate(input: OfAnImage, context: Context): object {
  const image = ownImage(context, input.ImageId);
  image.deprecateMs = image.sharing.public ? image.createdMs + PUBLIC_YEARS_MS : undefined;
  record(context, { kind: "image-undeprecated", id: image.id });
  return { Return: true };
}

/** Takes the image's permissions with it. */
function disable(input: OfAnImage, context: Context): object {
  const image = ownImage(context, input.ImageId);
  if (image.sharing.public) record(context, { kind: "image-private", id: image.id });
  image.disabled = true;
  image.sharing.public = false;
  image.sharing.users.clear();
  image.sharing.organizations.clear();
  image.sharing.units.clear();
  record(context, { kind: "image-disabled", id: image.id });
  return { Return: true };
}

function enable(input: OfAnImage, context: Context): object {
  const image = ownImage(context, input.ImageId);
  image.disabled = false;
  record(context, { kind: "image-enabled", id: image.id });
  return { Return: true };
}

function protect(input: EnableImageDeregistrationProtectionRequest, context: Context): object {
  const image = ownImage(context, input.ImageId);
  image.protection = input.WithCooldown === true ? "enabled-with-cooldown" : "enabled-without-cooldown";
  return { Return: image.protection };
}

function unprotect(input: OfAnImage, context: Context): object {
  const image = ownImage(context, input.ImageId);
  image.protection = "disabled";
  return { Return: image.protection };
}

function deregister(input: DeregisterImageRequest, context: Context): DeregisterImageResult {
  const image = ownImage(context, input.ImageId);
  if (image.protection !== "disabled") {
    throw new AwsFault("OperationNotPermitted", `The image ${image.id} is protected from deregistration`);
  }
  context.region.images.delete(image.id);
  if (image.sharing.public) record(context, { kind: "image-private", id: image.id });
  record(context, { kind: "image-deregistered", id: image.id });
  if (input.DeleteAssociatedSnapshots !== true) return { Return: true };
  return { Return: true, DeleteSnapshotResults: snapshotIds(image).map((id) => deleted(id, context)) };
}

function snapshotIds({ mappings }: ImageRecord): readonly string[] {
  return mappings.flatMap(({ Ebs }) => (Ebs?.SnapshotId === undefined ? [] : [Ebs.SnapshotId]));
}

function deleted(id: string, context: Context) {
  const found = context.region.snapshots.get(id);
  if (found === undefined) return { SnapshotId: id, ReturnCode: "skipped" as const };
  if (found.ownerId !== context.account) return { SnapshotId: id, ReturnCode: "missing-permissions" as const };
  if (userOf(context, id) !== undefined) return { SnapshotId: id, ReturnCode: "skipped" as const };
  removeSnapshot(context, id);
  return { SnapshotId: id, ReturnCode: "success" as const };
}

/** Who of this account still needs images: here, instances. */
function references(input: DescribeImageReferencesRequest, context: Context): DescribeImageReferencesResult {
  const { region, world, account } = context;
  const wanted = new Set(input.ImageIds);
  const found = [...region.instances.values()]
    .filter(({ imageId, terminatedMs }) => wanted.has(imageId) && terminatedMs === undefined)
    .map(({ id, imageId }) => ({
      ImageId: imageId,
      ResourceType: "ec2:Instance" as const,
      Arn: `arn:aws:ec2:${region.name}:${account}:instance/${id}`,
    }));
  const { page, next } = paged(found, input, { ...context, world });
  return { ImageReferences: [...page], ...next };
}
