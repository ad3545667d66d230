import { KvciError } from "../../src/core/error.ts";
import { linkPath, type ComputeImage, type NewImage } from "../../src/gcp/compute.ts";
import { statusBehind } from "../../src/gcp/gcp-errors.ts";
import { VISIBLE_MS } from "../../src/gcp/operation-end.ts";
import type { PublishContext } from "../../src/publish/publisher.ts";
import type { StepResult } from "../../src/publish/step.ts";
import { taken } from "./diff.ts";
import { descriptionOf, labelsOf, type ImagePlan } from "./image-plan.ts";
import { requestIdOf } from "./request-id.ts";
import { isOwn } from "./state.ts";
import type { StepHandler, StepPorts } from "./step-handler.ts";
import { changed, ended, readyImage, type Watch } from "./watch.ts";

/** A token goes on standing for what became of its first call, for as long as Google remembers it. */
const MOST_ATTEMPTS = 5;

/** Makes the image from the uploaded tarball, private and in no family; takes it if it is there. */
export function insertImage(ports: StepPorts): StepHandler<"insert-image"> {
  return {
    run: async ({ step, inputs: { image } }, context) => {
      const generation = step.needs.map((need) => context.results.get(need)?.["generation"]).find(isText);
      const insertion = new Insertion(image, { generation, attemptKey: `${step.id}/attempt` }, { ports, context });
      return insertion.run();
    },
    undo: async ({ step, inputs: { image } }, result, context) => {
      if (result?.["created"] === false) return;
      const watch = watchOf(ports, context);
      const there = await watch.compute.image(image.name);
      if (!there || !isOwn(there, image)) return;
      if (there.status === "PENDING") await readyImage(image.name, 0, watch).catch(() => undefined);
      await changed("compute.images.delete", (id) => watch.compute.deleteImage(image.name, id), watch);
      const key = `${step.id}/attempt`;
      await context.remember(key, attemptIn(context, key) + 1);
    },
  };
}

export function watchOf(
  { compute, pollMs }: Pick<StepPorts, "compute" | "pollMs">,
  { signal }: Pick<PublishContext, "signal">,
): Watch {
  return { compute: compute(signal), pollMs, signal };
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function attemptIn({ recall }: PublishContext, key: string): number {
  const known = recall(key);
  return typeof known === "number" ? known : 1;
}

class Insertion {
  readonly #image: ImagePlan;
  readonly #generation: string | undefined;
  readonly #attemptKey: string;
  readonly #ports: StepPorts;
  readonly #context: PublishContext;
  readonly #watch: Watch;

  constructor(
    image: ImagePlan,
    { generation, attemptKey }: { readonly generation: string | undefined; readonly attemptKey: string },
    { ports, context }: { readonly ports: StepPorts; readonly context: PublishContext },
  ) {
    this.#image = image;
    this.#generation = generation;
    this.#attemptKey = attemptKey;
    this.#ports = ports;
    this.#context = context;
    this.#watch = watchOf(ports, context);
  }

  async run(): Promise<StepResult> {
    const { name } = this.#image;
    const there = await this.#watch.compute.image(name);
    if (there) return this.#adopted(await this.#ready(0));
    for (let attempt = attemptIn(this.#context, this.#attemptKey), last = attempt + MOST_ATTEMPTS; attempt < last;) {
      await this.#assertSource();
      const made = await this.#insert(attempt);
      if (made) {
        await this.#assertSource();
        return this.#resultOf(made, true);
      }
      attempt += 1;
      await this.#context.remember(this.#attemptKey, attempt);
    }
    throw new KvciError("publish-failed", `the image ${name} was made, and is nowhere to be seen`, {
      hint: "See the service's status page, then run the same command again.",
    });
  }

  /** @returns undefined when the token stands for a call of long ago whose image is gone. */
  async #insert(attempt: number): Promise<ComputeImage | undefined> {
    const { project, name, content, attributes } = this.#image;
    const requestId = requestIdOf([
      project,
      "insert-image",
      name,
      content,
      attributes,
      this.#generation ?? "",
      attempt,
    ]);
    const action = "compute.images.create";
    try {
      const operation = await this.#watch.compute.insertImage(bodyOf(this.#image), requestId);
      const done = await ended(operation, action, this.#watch);
      return await this.#ready(this.#visibleFor(done.endTime));
    } catch (error) {
      if (isTaken(error)) return this.#mine(await this.#ready(VISIBLE_MS));
      // The same token would give the same failure again.
      if (!this.#context.signal.aborted) await this.#context.remember(this.#attemptKey, attempt + 1);
      throw error;
    }
  }

  /** What was made a moment ago may not be seen yet; what was made long ago and is not seen is gone. */
  #visibleFor(endTime: string | undefined): number {
    const age = endTime === undefined ? 0 : this.#ports.now() - Date.parse(endTime);
    return Math.max(0, VISIBLE_MS - Math.max(0, age));
  }

  #ready(visibleMs: number): Promise<ComputeImage | undefined> {
    return readyImage(this.#image.name, visibleMs, this.#watch);
  }

  #adopted(image: ComputeImage | undefined): StepResult {
    const mine = this.#mine(image);
    if (mine) return this.#resultOf(mine, false);
    throw new KvciError("publish-failed", `the image ${this.#image.name} disappeared`, {
      hint: "Somebody removed it; run the same command again.",
    });
  }

  /** @throws {KvciError} `publish-conflict` */
  #mine(image: ComputeImage | undefined): ComputeImage | undefined {
    if (!image || isOwn(image, this.#image)) return image;
    const { name, project, content: wanted } = this.#image;
    throw taken(`the image name "${name}" in ${project}`, { wanted, has: image.labels["kvci-content"] ?? null });
  }

  #resultOf({ id, name, selfLink }: ComputeImage, created: boolean): StepResult {
    return { id, name, image: linkPath(selfLink), created };
  }

  /**
   * Nobody replaced the tarball, before the image was made from it and after: the call itself cannot name a generation.
   *
   * @throws {KvciError} `publish-integrity`
   */
  async #assertSource(): Promise<void> {
    const { bucket, upload } = this.#image;
    const object = await this.#ports.storage(this.#context.signal).object(upload);
    if (object && object.generation === this.#generation) return;
    throw new KvciError("publish-integrity", `gs://${bucket}/${upload} is not the tarball that was sent`, {
      hint: "Somebody replaced or removed it; `kvci-build publish rollback` removes what was made, then publish again.",
      evidence: [`sent: generation ${this.#generation ?? "unknown"}`, `there: ${object?.generation ?? "nothing"}`],
    });
  }
}

/** Another run made it, or an earlier call whose reply was lost. */
function isTaken(error: unknown): boolean {
  if (!(error instanceof KvciError) || error.code !== "publish-conflict") return false;
  return statusBehind(error) === 409 || error.evidence.some((line) => line.startsWith("RESOURCE_ALREADY_EXISTS"));
}

function bodyOf(image: ImagePlan): NewImage {
  const { name, bucket, upload, settings } = image;
  const { architecture, guestOsFeatures, licenses, storageLocations } = settings;
  return {
    name,
    description: descriptionOf(image),
    architecture,
    guestOsFeatures: guestOsFeatures.map((type) => ({ type })),
    licenses,
    labels: labelsOf(image),
    ...(storageLocations.length > 0 ? { storageLocations } : {}),
    rawDisk: { source: `https://storage.googleapis.com/${bucket}/${upload}`, containerType: "TAR" },
  };
}
