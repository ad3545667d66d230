import type { Need } from "./need.ts";
import type { FetchIn, LoadImages, Op } from "./op.ts";
import type { Platform } from "./platform.ts";
import type { Step } from "./step.ts";

/** Everything a list of steps needs, in the order of the steps; what ops say of themselves is not to be declared again. */
export function needsOf(steps: readonly Step[], platform: Platform): readonly Need[] {
  return steps.flatMap((step) => [...(step.needs?.(platform) ?? []), ...step.ops(platform).flatMap(needsOfOp)]);
}

function needsOfOp(op: Op): readonly Need[] {
  if (op.kind === "fetch-in") return [needOfFile(op)];
  if (op.kind === "load-images") return needsOfImages(op);
  return [];
}

function needOfFile({ url, manifest }: FetchIn): Need {
  return { kind: manifest ? "manifest" : "file", url };
}

function needsOfImages({ images, manifests }: LoadImages): readonly Need[] {
  return [
    ...manifests.map((url): Need => ({ kind: "manifest", url })),
    ...images.map((ref): Need => ({ kind: "container-image", ref })),
  ];
}
