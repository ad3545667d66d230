import { KvciError } from "../../src/core/error.ts";
import type { PublishContext } from "../../src/publish/publisher.ts";
import { isDated, lifeEnd } from "./diff-pointers.ts";
import { byAge, otherReleases, ownImage, type ImageState } from "./image-state.ts";
import { imageIds, lookupsIn, managed } from "./lookups.ts";
import { imageOf, unlessGone, VISIBLE_MS, type StepHandler, type StepPorts } from "./step-handler.ts";
import type { JsonValue } from "../../src/publish/json.ts";

const MINUTE_MS = 60_000;
/** AWS takes no date in the past and rounds to the minute: "now" is a little later. */
const SOON_MS = 2 * MINUTE_MS;
/** What is deprecated within this time is left at that. */
const NEAR_MS = 60 * MINUTE_MS;

interface Where {
  readonly region: string;
  readonly ports: Pick<StepPorts, "caller" | "now">;
  readonly context: Pick<PublishContext, "signal">;
}

interface Former {
  readonly id: string;
  readonly deprecatedAt: string | null;
}

/** Says until when an image is to be used. */
export function limitImage(ports: StepPorts): StepHandler<"limit-image"> {
  return {
    run: async (limit, context) => {
      const where = { region: limit.step.place, ports, context };
      const id = await imageOf(limit, ports, context);
      const image = await read(id, where);
      const { months } = limit.inputs;
      if (!isDated(image, months)) await deprecate(id, lifeEnd(image, months), where);
      return { image: id, former: image.deprecatedAt };
    },
    undo: async (limit, result, context) => {
      const where = { region: limit.step.place, ports, context };
      const former = (result === undefined ? limit.inputs.former : result["former"]) as string | null;
      const id = result?.["image"] ?? (await imageOf(limit, ports, context).catch(unlessGone));
      if (typeof id === "string") await restore({ id, deprecatedAt: former }, where);
    },
  };
}

/** Deprecates the releases that this one takes the place of: they go on working, and are no longer offered to others. */
export function deprecateFormer(ports: StepPorts): StepHandler<"deprecate-former"> {
  return {
    run: async ({ step, inputs }, context) => {
      const where = { region: step.place, ports, context };
      const images = await lookupsIn(step.place, ports.caller, { signal: context.signal }).images(managed);
      const own = ownImage(images, inputs.image);
      const former = otherReleases(images, inputs.image)
        .filter((image) => own !== undefined && byAge(image, own) < 0)
        .filter(({ deprecatedAt }) => deprecatedAt === null || Date.parse(deprecatedAt) > ports.now() + NEAR_MS);
      for (const { id } of former) await deprecate(id, ports.now() + SOON_MS, where);
      return { former: former.map(({ id, deprecatedAt }): JsonValue => ({ id, deprecatedAt })) };
    },
    undo: async ({ step, inputs }, result, context) => {
      const former = (result?.["former"] as readonly Former[] | undefined) ?? inputs.former;
      for (const each of former) await restore(each, { region: step.place, ports, context });
    },
  };
}

async function read(id: string, { region, ports, context }: Where): Promise<ImageState> {
  const [image] = await lookupsIn(region, ports.caller, { signal: context.signal }).images(imageIds([id]));
  if (image) return image;
  throw new KvciError("publish-failed", `${id} is gone from ${region}`, {
    hint: "Run the same command again: it is made anew.",
  });
}

/** @param at milliseconds since the epoch. */
async function deprecate(ImageId: string, at: number, { region, ports, context }: Where): Promise<void> {
  const minute = Math.floor(Math.max(at, ports.now() + SOON_MS) / MINUTE_MS) * MINUTE_MS;
  await ports.caller.find(
    { action: "ec2:EnableImageDeprecation", region, input: { ImageId, DeprecateAt: new Date(minute) } },
    { signal: context.signal, absentForMs: VISIBLE_MS },
  );
}

/** Gives an image its former date back, or none. A date that has passed meanwhile says what the image is: deprecated. */
async function restore({ id, deprecatedAt }: Former, { region, ports, context }: Where): Promise<void> {
  const { signal } = context;
  const [image] = await lookupsIn(region, ports.caller, { signal }).images(imageIds([id]));
  if (!image || image.deprecatedAt === deprecatedAt) return;
  if (deprecatedAt === null) {
    await ports.caller.find({ action: "ec2:DisableImageDeprecation", region, input: { ImageId: id } }, { signal });
  } else if (Date.parse(deprecatedAt) > ports.now()) {
    await deprecate(id, Date.parse(deprecatedAt), { region, ports, context });
  }
}
