/** Tags of whatever has some. */
import type {
  CreateTagsRequest,
  DeleteTagsRequest,
  DescribeTagsRequest,
  DescribeTagsResult,
  TagDescription,
} from "@aws-sdk/client-ec2";
import { AwsFault } from "./aws-fault.ts";
import type { RegionRecord } from "./aws-state.ts";
import { checkedTags, filtered, paged, type FilterTable } from "./ec2-answers.ts";
import { record, type Actions, type Context } from "./world.ts";

export const tagActions: Actions = { CreateTags: createTags, DeleteTags: deleteTags, DescribeTags: describeTags };

interface Tagged {
  readonly id: string;
  readonly kind: NonNullable<TagDescription["ResourceType"]>;
  readonly tags: Map<string, string>;
}

function taggedOf(region: RegionRecord): readonly Tagged[] {
  const kinds = [
    ["image", region.images],
    ["snapshot", region.snapshots],
    ["instance", region.instances],
    ["key-pair", region.keyPairs],
    ["security-group", region.securityGroups],
  ] as const;
  return kinds.flatMap(([kind, records]) => [...records.values()].map(({ id, tags }) => ({ kind, id, tags })));
}

function resources({ region }: Context, ids: readonly string[] = []): readonly Tagged[] {
  const known = new Map(taggedOf(region).map((each) => [each.id, each]));
  return ids.map((id) => {
    const found = known.get(id);
    if (found !== undefined) return found;
    const code = id.startsWith("ami-") ? "InvalidAMIID.NotFound" : "InvalidID";
    throw new AwsFault(code, `The ID '${id}' is not valid`);
  });
}

function createTags(input: CreateTagsRequest, context: Context): object {
  const found = resources(context, input.Resources);
  const made = checkedTags(input.Tags ?? []);
  for (const { id, tags } of found) {
    for (const [name, value] of made) tags.set(name, value);
    record(context, { kind: "tags-changed", id });
  }
  return {};
}

/** A tag given with a value goes only where it has that value. */
function deleteTags(input: DeleteTagsRequest, context: Context): object {
  for (const { id, tags } of resources(context, input.Resources)) {
    const names = input.Tags ?? [...tags.keys()].map((Key) => ({ Key, Value: undefined }));
    for (const { Key = "", Value } of names) if (Value === undefined || tags.get(Key) === Value) tags.delete(Key);
    record(context, { kind: "tags-changed", id });
  }
  return {};
}

const FILTERS: FilterTable<TagDescription> = {
  by: {
    key: ({ Key }) => [Key],
    value: ({ Value }) => [Value],
    "resource-id": ({ ResourceId }) => [ResourceId],
    "resource-type": ({ ResourceType }) => [ResourceType],
  },
};

function describeTags(input: DescribeTagsRequest, context: Context): DescribeTagsResult {
  const all = taggedOf(context.region).flatMap(({ id, kind, tags }) =>
    [...tags].map(([Key, Value]) => ({ Key, Value, ResourceId: id, ResourceType: kind })),
  );
  const { page, next } = paged(filtered(all, input.Filters, FILTERS), input, context);
  return { Tags: [...page], ...next };
}
