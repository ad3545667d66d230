import { AdaptiveLimit } from "../../src/publish/adaptive-limit.ts";
import type { PublishContext } from "../../src/publish/publisher.ts";
import type { StepResult } from "../../src/publish/step.ts";
import { attemptOf, nextAttempt } from "./attempts.ts";
import { clientToken } from "./image-plan.ts";
import { mismatches, ownImage, type ImageState } from "./image-state.ts";
import { lookupsIn, tagged } from "./lookups.ts";
import { undoImage } from "./register-image.ts";
import { findImage, VISIBLE_MS, type StepHandler, type StepPorts } from "./step-handler.ts";
import type { AwsStep } from "./step-inputs.ts";
import { tagsOf } from "./tags.ts";

type CopyStep = AwsStep<"copy-image">;

/** A region takes 20 copies at once, those of other people of the account included. */
const PER_REGION = 10;
const IN_ALL = 16;
const MINUTE_MS = 60_000;

/** Copies the image to another region, and waits until it is available there. */
export function copyImage(ports: StepPorts): StepHandler<"copy-image"> {
  const all = new AdaptiveLimit({ start: IN_ALL, most: IN_ALL });
  const regions = new Map<string, AdaptiveLimit>();
  const roomIn = (region: string): AdaptiveLimit => {
    const limit = regions.get(region) ?? new AdaptiveLimit({ start: PER_REGION, most: PER_REGION });
    regions.set(region, limit);
    return limit;
  };
  return {
    run: async (copy, context) => {
      // In this order: who has room in all has it in the region, and gets on.
      const leave = [await roomIn(copy.step.place).take(), await all.take()];
      try {
        return await copied(copy, ports, context);
      } finally {
        // Both limits are fixed: the answer only gives the room back.
        for (const each of leave) each("ok");
      }
    },
    undo: (copy, result, context) => undoImage(copy, result, { ports, context }),
  };
}

async function copied(copy: CopyStep, ports: StepPorts, context: PublishContext): Promise<StepResult> {
  const { step, inputs } = copy;
  const { signal } = context;
  const region = step.place;
  const there = await findImage(inputs.image, { region, caller: ports.caller, signal });
  const id = there?.id ?? (await makeCopy(copy, ports, context));
  const minutes = 30 + 2 * inputs.image.settings.volumeGiB;
  let image: ImageState;
  try {
    image = await ports.watch.available({ region, id }, { deadlineMs: minutes * MINUTE_MS, signal });
  } catch (error) {
    // The next run asks for another one; one that is merely late is found by its tags then.
    if (!signal.aborted && !(await findImage(inputs.image, { region, caller: ports.caller, signal }))) {
      await nextAttempt(step, inputs.image, context);
    }
    throw error;
  }
  const chosen = await oldest(copy, { image, ports, context });
  return { image: chosen.id, made: there === undefined && chosen.id === id, snapshot: chosen.snapshot };
}

async function makeCopy(copy: CopyStep, ports: StepPorts, context: PublishContext): Promise<string> {
  const { step, inputs } = copy;
  const { image } = inputs;
  const tags = tagsOf(image);
  const output = await ports.caller.call(
    {
      action: "ec2:CopyImage",
      region: step.place,
      input: {
        Name: image.name,
        Description: `${image.template} ${image.version} ${image.arch}`,
        SourceRegion: inputs.home,
        SourceImageId: await sourceOf(copy, ports, context),
        ClientToken: clientToken(image, {
          region: step.place,
          kind: "copy-image",
          attempt: attemptOf(step, image, context),
        }),
        TagSpecifications: [
          { ResourceType: "image", Tags: tags },
          { ResourceType: "snapshot", Tags: tags },
        ],
      },
    },
    // Room for copies comes when others end.
    { signal: context.signal, absentForMs: VISIBLE_MS, deadlineMs: 30 * MINUTE_MS },
  );
  return output.ImageId ?? "";
}

async function sourceOf({ step, inputs }: CopyStep, ports: StepPorts, context: PublishContext): Promise<string> {
  const made = step.needs.map((need) => context.results.get(need)?.["image"]).find((id) => typeof id === "string");
  const known = made ?? inputs.id;
  if (known !== null) return known;
  const place = { region: inputs.home, caller: ports.caller, signal: context.signal };
  return (await findImage(inputs.image, place))?.id ?? "";
}

/** CopyImage lets names be used twice: where two runs met, all take the older copy, and the other is left for `publish gc`. */
async function oldest(
  { step, inputs }: CopyStep,
  {
    image,
    ports,
    context,
  }: { readonly image: ImageState; readonly ports: StepPorts; readonly context: PublishContext },
): Promise<ImageState> {
  const images = await lookupsIn(step.place, ports.caller, { signal: context.signal }).images(tagged(inputs.image));
  const sound = images.filter((each) => each.state !== "available" || mismatches(inputs.image, each).length === 0);
  const chosen = ownImage(sound, inputs.image) ?? image;
  const twins = images.filter(({ id, name }) => name === inputs.image.name && id !== chosen.id);
  if (twins.length > 0) {
    context.journal.emit({
      type: "warning",
      subject: step.place,
      detail: `"${inputs.image.name}" is there more than once: ${chosen.id} is used, not ${twins.map(({ id }) => id).join(", ")}`,
    });
  }
  return chosen;
}
