/** Tag of everything that is made here, with the value "true": nothing without it is ever changed or removed. */
export const MANAGED_TAG = "kvci:managed";

export type Tags = Readonly<Record<string, string>>;

interface AwsTag {
  readonly Key?: string | undefined;
  readonly Value?: string | undefined;
}

export function readTags(tags: readonly AwsTag[] | undefined): Tags {
  return Object.fromEntries((tags ?? []).map(({ Key = "", Value = "" }) => [Key, Value]));
}

/** Tags as a creating call takes them. */
export function awsTags(tags: Tags): { Key: string; Value: string }[] {
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
}

export const MANAGED_FILTER = { Name: `tag:${MANAGED_TAG}`, Values: ["true"] };
