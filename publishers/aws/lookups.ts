import type { AwsInput } from "../../src/aws/clients.ts";
import { MANAGED_FILTER } from "../../src/aws/managed-tags.ts";
import type { AwsCaller, CallOptions } from "../../src/aws/aws-caller.ts";
import type { ImagePlan } from "./image-plan.ts";
import { imageState, snapshotState, type ImageState, type SnapshotState } from "./image-state.ts";
import { permissionName } from "./permissions.ts";
import { TAGS } from "./tags.ts";

type Filters = NonNullable<AwsInput<"ec2:DescribeImages">["Filters"]>;

const PAGE = 500;

/** Reads of one region. Lists see the account's own things only, all pages, deprecated and disabled images included. */
export interface Lookups {
  images(filters: Filters): Promise<readonly ImageState[]>;
  snapshots(filters: Filters): Promise<readonly SnapshotState[]>;
  /** Who may start an image, or make volumes of a snapshot: `all`, account numbers, ARNs; sorted. Nothing when it is gone. */
  launchPermissions(image: string): Promise<readonly string[] | undefined>;
  volumePermissions(snapshot: string): Promise<readonly string[] | undefined>;
}

export function lookupsIn(region: string, caller: AwsCaller, options: CallOptions): Lookups {
  return {
    images: async (Filters) => {
      const input = {
        Owners: ["self"],
        IncludeDeprecated: true,
        IncludeDisabled: true,
        MaxResults: PAGE,
        Filters,
      };
      const pages = await caller.pages({ action: "ec2:DescribeImages", region, input }, options);
      return pages.flatMap(({ Images = [] }) => Images.map(imageState));
    },
    snapshots: async (Filters) => {
      const input = { OwnerIds: ["self"], MaxResults: PAGE, Filters };
      const pages = await caller.pages({ action: "ec2:DescribeSnapshots", region, input }, options);
      return pages.flatMap(({ Snapshots = [] }) => Snapshots.map(snapshotState));
    },
    launchPermissions: async (ImageId) => {
      const input = { ImageId, Attribute: "launchPermission" } as const;
      const found = await caller.find({ action: "ec2:DescribeImageAttribute", region, input }, options);
      return found && (found.LaunchPermissions ?? []).map(permissionName).sort();
    },
    volumePermissions: async (SnapshotId) => {
      const input = { SnapshotId, Attribute: "createVolumePermission" } as const;
      const found = await caller.find({ action: "ec2:DescribeSnapshotAttribute", region, input }, options);
      return found && (found.CreateVolumePermissions ?? []).map(permissionName).sort();
    },
  };
}

export const managed: Filters = [MANAGED_FILTER];

export function named(names: readonly string[]): Filters {
  return [{ Name: "name", Values: [...names] }];
}

export function imageIds(ids: readonly string[]): Filters {
  return [{ Name: "image-id", Values: [...ids] }];
}

export function snapshotIds(ids: readonly string[]): Filters {
  return [{ Name: "snapshot-id", Values: [...ids] }];
}

/** Images that were made of a snapshot. */
export function usersOf(snapshot: string): Filters {
  return [{ Name: "block-device-mapping.snapshot-id", Values: [snapshot] }];
}

/** What has the content and the attributes of a plan. */
export function tagged({ content, attributes }: ImagePlan): Filters {
  return [
    MANAGED_FILTER,
    { Name: `tag:${TAGS.content}`, Values: [content] },
    { Name: `tag:${TAGS.attributes}`, Values: [attributes] },
  ];
}
