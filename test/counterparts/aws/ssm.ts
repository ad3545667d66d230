/** Parameters of Systems Manager. */
import type {
  AddTagsToResourceRequest,
  DeleteParametersRequest,
  GetParameterHistoryRequest,
  GetParameterRequest,
  GetParametersByPathRequest,
  GetParametersRequest,
  ListTagsForResourceRequest,
  Parameter,
  PutParameterRequest,
  PutParameterResult,
  RemoveTagsFromResourceRequest,
} from "@aws-sdk/client-ssm";
import { AwsFault } from "./aws-fault.ts";
import { isVisible, type ParameterRecord, type ParameterVersion } from "./aws-state.ts";
import { canUse } from "./ec2-images.ts";
import { pageOf, record, type Actions, type Context } from "./world.ts";

export const ssmActions: Actions = {
  PutParameter: put,
  GetParameter: ({ Name }: GetParameterRequest, context) => ({ Parameter: selected(context, Name) }),
  GetParameters: getSome,
  GetParametersByPath: getByPath,
  GetParameterHistory: history,
  DeleteParameter: deleteOne,
  DeleteParameters: deleteSome,
  AddTagsToResource: addTags,
  RemoveTagsFromResource: removeTags,
  ListTagsForResource: ({ ResourceId }: ListTagsForResourceRequest, context) => ({
    TagList: [...tagged(context, ResourceId).tags].map(([Key, Value]) => ({ Key, Value })),
  }),
};

const MOST_LEVELS = 15;
const MOST_CHARACTERS = 4096;
const MOST_NAMES = 10;
const IMAGE = "aws:ec2:image";

function invalid(message: string): AwsFault {
  return new AwsFault("ValidationException", message);
}

function checkName(name: string): void {
  if (/^\/?(aws|ssm)/i.test(name)) {
    throw new AwsFault("AccessDeniedException", `No access to reserved parameter name: ${name}.`);
  }
  if (!/^[A-Za-z0-9_.\-/]+$/.test(name)) throw invalid("Parameter name: only a-zA-Z0-9_.-/ may be in it");
  if (name.includes("/") && !name.startsWith("/")) {
    throw invalid("Parameter name must be fully qualified: begin with /");
  }
  if (name.split("/").length - 1 > MOST_LEVELS) {
    throw new AwsFault("HierarchyLevelLimitExceededException", `At most ${MOST_LEVELS} levels`);
  }
}

function put(input: PutParameterRequest, context: Context): PutParameterResult {
  const { Name: name = "", Value: value = "" } = input;
  checkName(name);
  if (value === "" || value.length > MOST_CHARACTERS) throw invalid("Parameter value: from 1 to 4096 characters");
  const before = context.region.parameters.get(name);
  checkPut(input, before);
  checkType(input);
  const parameter = before ?? newParameter(input);
  const version = versionOf(input, parameter.versions.at(-1), context.nowMs);
  const answer: PutParameterResult = { Version: parameter.versions.length + 1, Tier: "Standard" };
  // Whether the image is there is looked at after the answer; a value that fails that is not kept.
  if (version.dataType === IMAGE && !imageIsThere(context, value)) return answer;
  parameter.versions.push(version);
  context.region.parameters.set(name, parameter);
  record(context, { kind: "parameter-set", id: name, detail: value });
  return answer;
}

function newParameter({ Name = "", Tags = [] }: PutParameterRequest): ParameterRecord {
  return { name: Name, tags: new Map(Tags.map(({ Key = "", Value = "" }) => [Key, Value])), versions: [] };
}

/** What is not said stays as it was. */
function versionOf(
  { DataType, Description, Type, Value = "" }: PutParameterRequest,
  before: ParameterVersion | undefined,
  changedMs: number,
): ParameterVersion {
  const { dataType = "text", type = "String" } = before ?? {};
  return { value: Value, type: Type ?? type, dataType: DataType ?? dataType, description: Description, changedMs };
}

function checkPut({ Overwrite, Tags, Type }: PutParameterRequest, before: ParameterRecord | undefined): void {
  if (Overwrite === true && Tags !== undefined) throw invalid("Tags and Overwrite cannot be used together");
  if (before === undefined && Type === undefined) throw invalid("A parameter type is required to create a parameter");
  if (before !== undefined && Overwrite !== true) {
    throw new AwsFault("ParameterAlreadyExists", "The parameter already exists. To overwrite it, set Overwrite.");
  }
}

function checkType({ DataType = "text", Value = "" }: PutParameterRequest): void {
  if (DataType !== IMAGE && DataType !== "text") throw invalid(`No data type ${DataType} here`);
  if (DataType === IMAGE && !/^ami-[0-9a-f]{8,17}$/.test(Value)) throw invalid(`${Value} is not the id of an AMI`);
}

function imageIsThere({ region, account, nowMs }: Context, id: string): boolean {
  const image = region.images.get(id);
  return image !== undefined && canUse(image, account) && isVisible(image.visible, nowMs);
}

function parameterOf({ region, account }: Context, parameter: ParameterRecord, version: number): Parameter | undefined {
  const found = parameter.versions[version - 1];
  if (found === undefined) return undefined;
  return {
    Name: parameter.name,
    Type: found.type as NonNullable<Parameter["Type"]>,
    Value: found.value,
    Version: version,
    LastModifiedDate: new Date(found.changedMs),
    ARN: `arn:aws:ssm:${region.name}:${account}:parameter/${parameter.name.replace(/^\//, "")}`,
    DataType: found.dataType,
  };
}

/** `NAME`, or `NAME:VERSION`. */
function selected(context: Context, selector = ""): Parameter {
  const [name = "", version] = selector.split(":");
  const found = context.region.parameters.get(name);
  if (found === undefined) throw new AwsFault("ParameterNotFound", "");
  const wanted = version === undefined ? found.versions.length : Number(version);
  const parameter = parameterOf(context, found, wanted);
  if (parameter === undefined) throw new AwsFault("ParameterVersionNotFound", `No version ${String(version)}`);
  return version === undefined ? parameter : { ...parameter, Selector: `:${version}` };
}

function getSome({ Names = [] }: GetParametersRequest, context: Context) {
  if (Names.length > MOST_NAMES) throw invalid("At most 10 names");
  const known = (name: string) => context.region.parameters.has(name.split(":")[0] ?? "");
  return {
    Parameters: Names.filter(known).map((name) => selected(context, name)),
    InvalidParameters: Names.filter((name) => !known(name)),
  };
}

function getByPath(input: GetParametersByPathRequest, context: Context) {
  const folder = `${(input.Path ?? "").replace(/\/$/, "")}/`;
  const below = [...context.region.parameters.values()].filter(({ name }) => {
    const rest = name.startsWith(folder) ? name.slice(folder.length) : "";
    return rest !== "" && (input.Recursive === true || !rest.includes("/"));
  });
  const { entries, next } = page(below, input);
  const parameters = entries.map((each) => parameterOf(context, each, each.versions.length));
  return { Parameters: parameters, ...next };
}

function page<Entry>(
  entries: readonly Entry[],
  input: { MaxResults?: number | undefined; NextToken?: string | undefined },
) {
  const fail = () => new AwsFault("InvalidNextToken", "The specified token isn't valid.");
  const found = pageOf(entries, { token: input.NextToken, size: input.MaxResults ?? MOST_NAMES, fail });
  return { entries: found.entries, next: found.next === undefined ? {} : { NextToken: found.next } };
}

function history(input: GetParameterHistoryRequest, context: Context) {
  const found = stored(context, input.Name);
  const { entries, next } = page(found.versions, { ...input, MaxResults: input.MaxResults ?? 50 });
  const Parameters = entries.map(({ value, type, dataType, changedMs }) => ({
    Name: found.name,
    Value: value,
    Type: type,
    DataType: dataType,
    LastModifiedDate: new Date(changedMs),
    Version: found.versions.findIndex((each) => each.changedMs === changedMs && each.value === value) + 1,
  }));
  return { Parameters, ...next };
}

function stored({ region }: Context, name: string | undefined): ParameterRecord {
  const found = region.parameters.get(name ?? "");
  if (found === undefined) throw new AwsFault("ParameterNotFound", "");
  return found;
}

function deleteOne({ Name }: { readonly Name: string }, context: Context): object {
  const { name } = stored(context, Name);
  context.region.parameters.delete(name);
  record(context, { kind: "parameter-deleted", id: name });
  return {};
}

function deleteSome({ Names = [] }: DeleteParametersRequest, context: Context) {
  const there = Names.filter((name) => context.region.parameters.has(name));
  for (const Name of there) deleteOne({ Name }, context);
  return { DeletedParameters: there, InvalidParameters: Names.filter((name) => !there.includes(name)) };
}

function tagged(context: Context, id: string | undefined): ParameterRecord {
  const found = context.region.parameters.get(id ?? "");
  if (found === undefined) throw new AwsFault("InvalidResourceId", "The resource ID isn't valid.");
  return found;
}

function addTags({ ResourceId, Tags = [] }: AddTagsToResourceRequest, context: Context): object {
  const found = tagged(context, ResourceId);
  for (const { Key = "", Value = "" } of Tags) found.tags.set(Key, Value);
  record(context, { kind: "tags-changed", id: found.name });
  return {};
}

function removeTags({ ResourceId, TagKeys = [] }: RemoveTagsFromResourceRequest, context: Context): object {
  const found = tagged(context, ResourceId);
  for (const name of TagKeys) found.tags.delete(name);
  record(context, { kind: "tags-changed", id: found.name });
  return {};
}
