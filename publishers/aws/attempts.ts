import type { PublishContext } from "../../src/publish/publisher.ts";
import type { PublishStep } from "../../src/publish/step.ts";
import type { ImagePlan } from "./image-plan.ts";

type Memory = Pick<PublishContext, "remember" | "recall">;

function keyOf({ target, place }: PublishStep, { name }: ImagePlan): string {
  return `${target}/${place}/${name}/attempt`;
}

/**
 * How often a thing was made and lost again. AWS answers a token with what it was first used for, also when that was deleted or
 * has failed: the next one needs a token of its own.
 */
export function attemptOf(step: PublishStep, image: ImagePlan, { recall }: Memory): number {
  const attempt = recall(keyOf(step, image));
  return typeof attempt === "number" ? attempt : 0;
}

/** Call it when what was made is known to be gone. */
export async function nextAttempt(step: PublishStep, image: ImagePlan, memory: Memory): Promise<number> {
  const attempt = attemptOf(step, image, memory) + 1;
  await memory.remember(keyOf(step, image), attempt);
  return attempt;
}
