import { setTimeout as sleep } from "node:timers/promises";
import type { AwsInput } from "../../src/aws/clients.ts";
import { KvciError } from "../../src/core/error.ts";
import type { PublishContext } from "../../src/publish/publisher.ts";
import { nextAttempt } from "./attempts.ts";
import { deleteImage } from "./delete-image.ts";
import { ROOT_DEVICE, type ImagePlan } from "./image-plan.ts";
import { ownImage, strangers, type ImageState } from "./image-state.ts";
import { lookupsIn, named, tagged } from "./lookups.ts";
import { findImage, unlessGone, VISIBLE_MS, type StepHandler, type StepPorts } from "./step-handler.ts";
import type { AwsStep } from "./step-inputs.ts";
import { tagsOf } from "./tags.ts";

type RegisterStep = AwsStep<"register-image">;

/** Milliseconds for which an image that has the name, says AWS, may stay invisible. */
const DUPLICATE_MS = 5 * 60_000;
const REGISTER_MS = 15 * 60_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;

/** Makes an image of the snapshot. It has no token: its name keeps it from being made twice. */
export function registerImage(ports: StepPorts): StepHandler<"register-image"> {
  return {
    run: async (register, context) => {
      const { step, inputs } = register;
      const there = await lookAt(register, ports, context);
      const { id, made } = there ? { id: there.id, made: false } : await make(register, ports, context);
      const watched = { region: step.place, id };
      const image = await ports.watch.available(watched, { deadlineMs: REGISTER_MS, signal: context.signal });
      return { image: id, made, snapshot: image.snapshot, name: inputs.image.name };
    },
    undo: (register, result, context) => undoImage(register, result, { ports, context }),
  };
}

/** @throws {KvciError} `publish-conflict` when something else has the name. */
async function lookAt(
  { step, inputs: { image } }: RegisterStep,
  { caller }: Pick<StepPorts, "caller">,
  { signal }: PublishContext,
): Promise<ImageState | undefined> {
  const images = await lookupsIn(step.place, caller, { signal }).images(named([image.name]));
  const [stranger] = strangers(images, image);
  if (stranger) throw nameTaken(image, stranger, step.place);
  return ownImage(images, image);
}

async function make(
  register: RegisterStep,
  ports: StepPorts,
  context: PublishContext,
): Promise<{ readonly id: string; readonly made: boolean }> {
  const { step, inputs } = register;
  const snapshot = await snapshotOf(register, ports, context);
  const answer = await ports.caller.ask(
    { action: "ec2:RegisterImage", region: step.place, input: registration(inputs.image, snapshot) },
    {
      signal: context.signal,
      absentForMs: VISIBLE_MS,
      deadlineMs: DUPLICATE_MS,
      isExpected: ({ code }) => code === "InvalidAMIName.Duplicate",
    },
  );
  if ("output" in answer) return { id: answer.output.ImageId ?? "", made: true };
  // A second attempt that finds the name taken has found what the first one made, most likely: its answer was lost.
  const image = await namesake(register, ports, context);
  return { id: image.id, made: answer.attempts > 1 };
}

/** The image whose name was refused, as soon as it can be seen. */
async function namesake(register: RegisterStep, ports: StepPorts, context: PublishContext): Promise<ImageState> {
  const end = performance.now() + DUPLICATE_MS;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(LONGEST_PAUSE_MS, pause * 2)) {
    const image = await lookAt(register, ports, context);
    if (image) return image;
    if (performance.now() + pause > end) throw invisible(register);
    await sleep(pause, undefined, { signal: context.signal }).catch(() => undefined);
    context.signal.throwIfAborted();
  }
}

async function snapshotOf(
  { step, inputs }: RegisterStep,
  { caller }: StepPorts,
  { results, signal }: PublishContext,
): Promise<string> {
  const made = step.needs.map((need) => results.get(need)?.["snapshot"]).find((id) => typeof id === "string");
  const known = made ?? inputs.id;
  if (known !== null) return known;
  const snapshots = await lookupsIn(step.place, caller, { signal }).snapshots(tagged(inputs.image));
  const complete = snapshots.find(({ state }) => state === "completed");
  if (complete) return complete.id;
  throw new KvciError("publish-failed", `the snapshot of "${inputs.image.name}" is gone from ${step.place}`, {
    hint: "Run the same command again: it is uploaded anew.",
  });
}

/** What RegisterImage is asked for. */
export function registration(image: ImagePlan, SnapshotId: string): AwsInput<"ec2:RegisterImage"> {
  const { architecture, bootMode, ena, imds, tpm, volumeType, volumeGiB } = image.settings;
  const Ebs = { SnapshotId, VolumeType: volumeType, VolumeSize: volumeGiB, DeleteOnTermination: true };
  return {
    Name: image.name,
    Description: `${image.template} ${image.version} ${image.arch}`,
    Architecture: architecture,
    BootMode: bootMode,
    EnaSupport: ena,
    ImdsSupport: imds,
    ...(tpm ? { TpmSupport: "v2.0" } : {}),
    VirtualizationType: "hvm",
    RootDeviceName: ROOT_DEVICE,
    BlockDeviceMappings: [{ DeviceName: ROOT_DEVICE, Ebs }],
    TagSpecifications: [{ ResourceType: "image", Tags: tagsOf(image) }],
  };
}

/** Removes an image that a step made, with its snapshot: of the plan's very content, and by nobody else. */
export async function undoImage(
  { step, inputs }: AwsStep<"register-image"> | AwsStep<"copy-image">,
  result: Readonly<Record<string, unknown>> | undefined,
  { ports, context }: { readonly ports: StepPorts; readonly context: PublishContext },
): Promise<void> {
  if (result?.["made"] === false) return;
  const { signal } = context;
  const region = step.place;
  const image = await findImage(inputs.image, { region, caller: ports.caller, signal });
  const isOurs = image !== undefined && (result === undefined || result["image"] === image.id);
  if (isOurs) {
    // AWS does not deregister what it still copies.
    if (image.state === "pending") {
      await ports.watch.available({ region, id: image.id }, { deadlineMs: REGISTER_MS, signal }).catch(unlessGone);
    }
    await deleteImage(image.id, { region, caller: ports.caller, signal });
  }
  await nextAttempt(step, inputs.image, context);
}

function nameTaken({ name, content, attributes }: ImagePlan, { id, tags }: ImageState, region: string): KvciError {
  return new KvciError("publish-conflict", `"${name}" in ${region} is ${id}, which is something else`, {
    hint: "Publish under another --release or imageName; what has the name now is never overwritten.",
    evidence: [`wanted: content ${content}, attributes ${attributes}`, `there: ${JSON.stringify(tags)}`],
  });
}

function invisible({ step, inputs }: RegisterStep): KvciError {
  return new KvciError(
    "publish-conflict",
    `"${inputs.image.name}" is taken in ${step.place} by an image that cannot be seen`,
    {
      hint: "Look for it in the console; publish under another --release or imageName.",
    },
  );
}
