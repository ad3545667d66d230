import { z } from "zod";
import { recordOf, type DeepReadonly } from "../../core/input.ts";
import type { LoadImages } from "../../core/op.ts";
import { loadImages } from "../../core/op-makers.ts";
import type { Step } from "../../core/step.ts";
import { runtimeName } from "../container-runtime.ts";
import { checkStep, fileName } from "../step-input.ts";

const imagesSchema = recordOf({
  /** Names the step, `images-<name>`: the profile, for example "storage". */
  name: fileName,
  runtime: runtimeName,
  /** Whole references: `registry.k8s.io/pause:3.10`. */
  images: z.array(z.string()).default([]),
  /** URLs of manifests whose images are wanted, too. */
  manifests: z.array(z.string()).default([]),
}).refine(({ images, manifests }) => images.length + manifests.length > 0, "name at least one image or manifest");

export type ContainerImagesInput = DeepReadonly<z.input<typeof imagesSchema>>;

/**
 * Puts container images into the runtime's store: fetched on the host, by the digests of the lock, and imported in one go.
 * The same image twice is one.
 *
 * @throws {InputError} `template-invalid`
 */
export function containerImages(input: ContainerImagesInput): Step<LoadImages> {
  const { name, runtime, images, manifests } = checkStep("containerImages", imagesSchema, input);
  const wanted = { images: unique(images), manifests: unique(manifests) };
  return { name: `images-${name}`, ops: () => [loadImages(runtime, wanted)] };
}

/** Sorted, so that the order in a template does not make another plan. */
function unique(values: readonly string[]): readonly string[] {
  return [...new Set(values)].sort();
}
