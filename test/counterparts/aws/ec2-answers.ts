/** What EC2's calls have in common: filters, tags, pages, look-ups by id. */
import type { Filter, Tag, TagSpecification } from "@aws-sdk/client-ec2";
import { AwsFault } from "./aws-fault.ts";
import { pageOf, type Context } from "./world.ts";

/** Values of an entry by the name of a filter. */
export interface FilterTable<Entry> {
  readonly by: Readonly<Record<string, (entry: Entry) => readonly (string | undefined)[]>>;
  readonly tags?: (entry: Entry) => ReadonlyMap<string, string>;
}

/** The entries that match every filter; `*` and `?` are wildcards. */
export function filtered<Entry>(
  entries: readonly Entry[],
  filters: readonly Filter[] | undefined,
  table: FilterTable<Entry>,
): readonly Entry[] {
  const tests = (filters ?? []).map(({ Name = "", Values = [] }) => {
    if (Values.length === 0) throw badValue(`The filter '${Name}' has no values`);
    return { valuesOf: valuesFor(Name, table), patterns: Values.map(wildcard) };
  });
  return entries.filter((entry) =>
    tests.every(({ valuesOf, patterns }) =>
      valuesOf(entry).some((value) => value !== undefined && patterns.some((pattern) => pattern.test(value))),
    ),
  );
}

function valuesFor<Entry>(name: string, { by, tags }: FilterTable<Entry>): FilterTable<Entry>["by"][string] {
  const known = by[name];
  if (known !== undefined) return known;
  if (tags !== undefined && name === "tag-key") return (entry) => [...tags(entry).keys()];
  if (tags !== undefined && name.startsWith("tag:")) return (entry) => [tags(entry).get(name.slice("tag:".length))];
  throw badValue(`The filter '${name}' is invalid`);
}

function wildcard(value: string): RegExp {
  const source = value
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "s");
}

export function tagsOf(tags: ReadonlyMap<string, string>): { readonly Tags?: Tag[] } {
  return tags.size === 0 ? {} : { Tags: [...tags].map(([Key, Value]) => ({ Key, Value })) };
}

/** The tags for one kind of what a call makes; other kinds than `allowed` are refused. */
export function tagsFor(
  kind: string,
  specifications: readonly TagSpecification[] | undefined,
  allowed: readonly string[] = [kind],
): Map<string, string> {
  for (const { ResourceType = "" } of specifications ?? []) {
    if (!allowed.includes(ResourceType)) throw badValue(`'${ResourceType}' is not a valid taggable resource here`);
  }
  const found = (specifications ?? []).filter(({ ResourceType }) => ResourceType === kind);
  return checkedTags(found.flatMap(({ Tags = [] }) => Tags));
}

export function checkedTags(tags: readonly Tag[]): Map<string, string> {
  const names = tags.map(({ Key = "" }) => Key);
  if (new Set(names).size < names.length) throw badValue("Duplicate tag key specified");
  if (names.some((name) => name.startsWith("aws:"))) throw badValue("Tag keys starting with 'aws:' are reserved");
  if (names.some((name) => name === "" || name.length > 128)) throw badValue("Tag keys have 1 to 128 characters");
  if (tags.some(({ Value = "" }) => Value.length > 256)) throw badValue("Tag values have at most 256 characters");
  if (tags.length > 50) throw new AwsFault("TagLimitExceeded", "More than 50 tags");
  return new Map(tags.map(({ Key = "", Value = "" }) => [Key, Value]));
}

/** A page of an EC2 list. Ids and MaxResults exclude each other. */
export function paged<Entry>(
  entries: readonly Entry[],
  input: { readonly MaxResults?: number | undefined; readonly NextToken?: string | undefined; readonly ids?: unknown },
  { world: { limits } }: Context,
): { readonly page: readonly Entry[]; readonly next: { readonly NextToken?: string } } {
  if (input.MaxResults !== undefined && input.ids !== undefined) {
    throw new AwsFault("InvalidParameterCombination", "The parameter MaxResults cannot be used with a list of ids");
  }
  if (input.MaxResults !== undefined && input.MaxResults < 1) throw badValue("MaxResults must be positive");
  const size = Math.min(input.MaxResults ?? limits.pageSize, limits.pageSize);
  const fail = () => badValue("Unable to parse pagination token");
  const { entries: page, next } = pageOf(entries, { token: input.NextToken, size, fail });
  return { page, next: next === undefined ? {} : { NextToken: next } };
}

export function badValue(message: string): AwsFault {
  return new AwsFault("InvalidParameterValue", message);
}

export function badCombination(message: string): AwsFault {
  return new AwsFault("InvalidParameterCombination", message);
}
