import type { AwsTarget } from "../../src/core/target.ts";
import type { AdaptiveLimit } from "../../src/publish/adaptive-limit.ts";
import { KvciError } from "../../src/core/error.ts";
import type { PublishContext, ReleaseBuild, SmokeTest } from "../../src/publish/publisher.ts";
import type { PublishStep, StepResult } from "../../src/publish/step.ts";
import type { AwsCaller } from "../../src/aws/aws-caller.ts";
import type { ImagePlan } from "./image-plan.ts";
import { ownImage, type ImageState } from "./image-state.ts";
import type { ImageWatch } from "./image-watch.ts";
import { lookupsIn, tagged } from "./lookups.ts";
import type { AwsStep, AwsStepKind } from "./step-inputs.ts";

/** Reads a disk's raw bytes in order. */
export type ReadDisk = (
  path: string,
  options: { readonly signal: AbortSignal; readonly journal: PublishContext["journal"] },
) => AsyncIterable<Buffer>;

/** What steps work with. */
export interface StepPorts {
  readonly target: AwsTarget & { readonly name: string };
  readonly caller: AwsCaller;
  readonly watch: ImageWatch;
  readonly storeRoot: string;
  readonly now: () => number;
  readonly readDisk: ReadDisk;
  readonly smoke: SmokeTest | undefined;
  /** Makes the limit of one upload. */
  readonly uploadLimit: () => AdaptiveLimit;
  /** @throws {KvciError} `internal` for a build that was not observed. */
  readonly buildOf: (image: ImagePlan) => ReleaseBuild;
}

/** Does and takes back one kind of step. Both look first, and change nothing that is as it should be. */
export interface StepHandler<K extends AwsStepKind> {
  run(step: AwsStep<K>, context: PublishContext): Promise<StepResult>;
  undo(step: AwsStep<K>, result: StepResult | undefined, context: PublishContext): Promise<void>;
}

/** What a step changes nothing by is not taken back. */
export const nothingToUndo = (): Promise<void> => Promise.resolve();

/** Milliseconds until what was made can be seen everywhere. EBS says two minutes; some more for what stands behind it. */
export const VISIBLE_MS = 150_000;

/** An image that a step is about: known when it was planned, made by a step before it, or found by its tags. */
export async function imageOf(
  {
    step,
    inputs,
  }: { readonly step: PublishStep; readonly inputs: { readonly image: ImagePlan; readonly id: string | null } },
  ports: Pick<StepPorts, "caller">,
  { results, signal }: Pick<PublishContext, "results" | "signal">,
): Promise<string> {
  if (inputs.id !== null) return inputs.id;
  const made = step.needs.map((need) => results.get(need)?.["image"]).find((id) => typeof id === "string");
  if (made !== undefined) return made;
  const image = await findImage(inputs.image, { region: step.place, caller: ports.caller, signal });
  if (image) return image.id;
  throw new KvciError("publish-failed", `the image "${inputs.image.name}" is gone from ${step.place}`, {
    hint: "Run the same command again: it is made anew.",
  });
}

/** The image that a plan wants, in a region, by name and tags. */
export async function findImage(
  plan: ImagePlan,
  place: { readonly region: string; readonly caller: AwsCaller; readonly signal: AbortSignal },
): Promise<ImageState | undefined> {
  const { region, caller, signal } = place;
  return ownImage(await lookupsIn(region, caller, { signal }).images(tagged(plan)), plan);
}

/** For things that are looked up to be taken back: what is gone needs nothing. */
export function unlessGone(error: unknown): undefined {
  if (error instanceof KvciError && error.code === "publish-failed") return undefined;
  throw error;
}
