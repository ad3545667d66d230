import { setTimeout as sleep } from "node:timers/promises";
import { KvciError } from "../../src/core/error.ts";
import type { PublishContext } from "../../src/publish/publisher.ts";
import { mismatches, type ImageState, type SnapshotState } from "./image-state.ts";
import { imageIds, lookupsIn, snapshotIds } from "./lookups.ts";
import { imageOf, nothingToUndo, VISIBLE_MS, type StepHandler, type StepPorts } from "./step-handler.ts";
import type { AwsStep } from "./step-inputs.ts";
import { hasTagsOf } from "./tags.ts";

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

/** Reads every attribute of an image and its snapshot back. */
export function verifyImage(ports: StepPorts): StepHandler<"verify-image"> {
  return {
    run: async (verify, context) => {
      const id = await imageOf(verify, ports, context);
      const end = performance.now() + VISIBLE_MS;
      for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(LONGEST_PAUSE_MS, pause * 2)) {
        const { image, wrong, isMissing } = await check(verify, { id, ports, context });
        if (image && wrong.length === 0) return { image: id, snapshot: image.snapshot };
        // Tags and snapshots of what was made a moment ago come into sight one by one; what is there and wrong stays so.
        if (!isMissing || performance.now() + pause > end) throw unlike(verify, id, wrong);
        await sleep(pause, undefined, { signal: context.signal }).catch(() => undefined);
        context.signal.throwIfAborted();
      }
    },
    undo: nothingToUndo,
  };
}

interface Checked {
  readonly image: ImageState | undefined;
  readonly wrong: readonly string[];
  /** Something cannot be seen yet. */
  readonly isMissing: boolean;
}

async function check(
  { step, inputs }: AwsStep<"verify-image">,
  { id, ports, context }: { readonly id: string; readonly ports: StepPorts; readonly context: PublishContext },
): Promise<Checked> {
  const lookups = lookupsIn(step.place, ports.caller, { signal: context.signal });
  const [image] = await lookups.images(imageIds([id]));
  if (!image) return { image, wrong: [`${id} cannot be seen`], isMissing: true };
  const [snapshot] = image.snapshot === null ? [] : await lookups.snapshots(snapshotIds([image.snapshot]));
  const wrong = [
    ...(image.state === "available" ? [] : [`it is ${image.state}`]),
    ...mismatches(inputs.image, image),
    ...snapshotFaults(snapshot, inputs),
  ];
  return { image, wrong, isMissing: snapshot === undefined || Object.keys(image.tags).length === 0 };
}

function snapshotFaults(
  snapshot: SnapshotState | undefined,
  { image, shared }: AwsStep<"verify-image">["inputs"],
): string[] {
  if (!snapshot) return ["its snapshot cannot be seen"];
  const { id, state, tags, encrypted } = snapshot;
  return [
    ...(state === "completed" ? [] : [`${id} is ${state}`]),
    // One content may have been uploaded for another release; the attributes are the image's own affair.
    ...(hasTagsOf(tags, image) ? [] : [`${id} has the tags of another image`]),
    ...(shared && encrypted ? [`${id} is encrypted, and an encrypted snapshot cannot be shared`] : []),
  ];
}

function unlike({ step, inputs }: AwsStep<"verify-image">, id: string, wrong: readonly string[]): KvciError {
  return new KvciError("publish-integrity", `${id} in ${step.place} is not "${inputs.image.name}" as it should be`, {
    hint: "Nothing of it was made visible. Roll the run back, and publish again.",
    evidence: wrong,
  });
}

/** Boots the image where it was registered, unless an earlier run did. */
export function smokeTest(ports: StepPorts): StepHandler<"smoke-test"> {
  return {
    run: async (step, context) => {
      const image = await imageOf(step, ports, context);
      const key = `smoke/${image}`;
      if (context.recall(key) === "passed") return { image, passed: "by an earlier run" };
      if (!ports.smoke) {
        throw new KvciError("publish-stale-plan", "the plan has a boot test, and this run was told to have none", {
          hint: "Make the plan anew with the same flags.",
        });
      }
      const { journal, signal } = context;
      const build = ports.buildOf(step.inputs.image);
      const result = await ports.smoke({ build, place: step.step.place, image, journal, signal });
      await context.remember(key, "passed");
      return { image, ...result };
    },
    undo: nothingToUndo,
  };
}
