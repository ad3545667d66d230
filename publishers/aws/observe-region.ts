import { KvciError } from "../../src/core/error.ts";
import type { AwsCaller, CallOptions } from "../../src/aws/aws-caller.ts";
import type { ImagePlan } from "./image-plan.ts";
import { ownImage, type ImageState } from "./image-state.ts";
import { lookupsIn, managed, named, type Lookups } from "./lookups.ts";
import type { ChosenRegion } from "./region-choice.ts";
import { isEnabled, type OwnState, type ParameterState, type RegionState } from "./state.ts";

/** Names that one GetParameters takes. */
const PARAMETERS = 10;
/** Milliseconds for which a region that the release may lack is waited for. */
const PATIENCE_MS = 20_000;

export interface RegionRequest {
  readonly chosen: ChosenRegion;
  readonly plans: readonly ImagePlan[];
  readonly parameters: readonly string[];
  readonly isHome: boolean;
}

/**
 * What is in one region. One that is not enabled is left alone; one that the release may lack and that does not answer is noted.
 *
 * @throws {KvciError} what the region says, where it is required.
 */
export async function observeRegion(
  request: RegionRequest,
  caller: AwsCaller,
  options: CallOptions,
): Promise<RegionState> {
  const { chosen } = request;
  const nothing: RegionState = { ...chosen, problem: null, own: {}, images: [], snapshots: [], parameters: {} };
  if (!isEnabled(chosen)) return nothing;
  if (chosen.required) return { ...nothing, ...(await look(request, caller, options)) };
  try {
    return { ...nothing, ...(await look(request, caller, patient(options, caller))) };
  } catch (error) {
    if (!(error instanceof KvciError) || options.signal.aborted) throw error;
    return { ...nothing, problem: error.message };
  }
}

/** @returns options for a region that nothing depends on. */
export function patient(options: CallOptions, { deadlineMs }: Pick<AwsCaller, "deadlineMs">): CallOptions {
  return { ...options, deadlineMs: Math.min(PATIENCE_MS, deadlineMs) };
}

async function look(
  { chosen: { region }, plans, parameters, isHome }: RegionRequest,
  caller: AwsCaller,
  options: CallOptions,
): Promise<Pick<RegionState, "images" | "own" | "snapshots" | "parameters">> {
  const lookups = lookupsIn(region, caller, options);
  const [ours, namesakes, snapshots, values] = await Promise.all([
    lookups.images(managed),
    lookups.images(named(plans.map(({ name }) => name))),
    isHome ? lookups.snapshots(managed) : [],
    readParameters(parameters, { region, caller, options }),
  ]);
  const images = [...new Map([...ours, ...namesakes].map((image) => [image.id, image])).values()];
  const own = await Promise.all(plans.map((plan) => ownState(plan, images, lookups)));
  return { images, snapshots, parameters: values, own: Object.fromEntries(own.flat()) };
}

async function ownState(
  plan: ImagePlan,
  images: readonly ImageState[],
  lookups: Lookups,
): Promise<[string, OwnState][]> {
  const image = ownImage(images, plan);
  if (!image) return [];
  const [launchers = [], copiers = []] = await Promise.all([
    lookups.launchPermissions(image.id),
    image.snapshot === null ? [] : lookups.volumePermissions(image.snapshot),
  ]);
  return [[plan.name, { image, launchers, copiers }]];
}

/** @returns what exists of the parameters. */
export async function readParameters(
  names: readonly string[],
  place: { readonly region: string; readonly caller: AwsCaller; readonly options: CallOptions },
): Promise<Readonly<Record<string, ParameterState>>> {
  const { region, caller, options } = place;
  const found: Record<string, ParameterState> = {};
  for (let from = 0; from < names.length; from += PARAMETERS) {
    const input = { Names: names.slice(from, from + PARAMETERS) };
    const { Parameters: parameters = [] } = await caller.call({ action: "ssm:GetParameters", region, input }, options);
    for (const { Name = "", Value: value = "", DataType: dataType = "text" } of parameters) {
      found[Name] = { value, dataType };
    }
  }
  return found;
}
