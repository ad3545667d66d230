import type { ImageState, SnapshotState } from "./image-state.ts";

export type ParameterState = {
  readonly value: string;
  /** `aws:ec2:image`, `text`. */
  readonly dataType: string;
};

/** An image of ours, and who may use it. */
export type OwnState = {
  readonly image: ImageState;
  readonly launchers: readonly string[];
  readonly copiers: readonly string[];
};

export type RegionState = {
  readonly region: string;
  readonly required: boolean;
  /** opt-in-not-required, opted-in, not-opted-in; `unknown` for a region that the partition does not have. */
  readonly optIn: string;
  /** Why the region could not be looked at; only where it is not required. */
  readonly problem: string | null;
  /** By the name of the image. */
  readonly own: Readonly<Record<string, OwnState>>;
  /** All that are managed by us or have a name of ours. */
  readonly images: readonly ImageState[];
  /** Managed by us; of the region that blocks are sent to. */
  readonly snapshots: readonly SnapshotState[];
  readonly parameters: Readonly<Record<string, ParameterState>>;
};

/** A snapshot that the next one can be a delta to. */
export type ParentState = {
  readonly snapshot: string;
  readonly content: string;
};

export type AwsState = {
  readonly account: string;
  readonly partition: string;
  /** ISO 8601: what is deprecated is so at a time. */
  readonly observedAt: string;
  /** The target's own region first. */
  readonly regions: readonly RegionState[];
  /** By the name of the image. */
  readonly parents: Readonly<Record<string, ParentState>>;
  /** Bytes of each image's disk file, by the name of the image: about what is sent. */
  readonly fileBytes: Readonly<Record<string, number>>;
};

export function isEnabled({ optIn }: Pick<RegionState, "optIn">): boolean {
  return optIn === "opt-in-not-required" || optIn === "opted-in";
}
