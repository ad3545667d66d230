import { z } from "zod";
import { digestSchema } from "../../src/core/record-schemas.ts";
import type { PublishContext } from "../../src/publish/publisher.ts";
import type { PublishStep, StepResult } from "../../src/publish/step.ts";
import { deletionRefused } from "./deletion-refused.ts";
import { tagsReaching } from "./reached-by.ts";
import { detach, referrersTag } from "./referrers.ts";
import { stepInputs } from "./registry-state.ts";
import { isRemovedTag, removeTag } from "./remove-tag.ts";
import type { Repository } from "./repository.ts";
import { formerKey } from "./run-step.ts";

const madeResult = z.looseObject({ made: z.boolean() });
const attachResult = z.looseObject({ attached: z.array(digestSchema) });
const tagResult = z.looseObject({ former: digestSchema.nullable(), moved: z.boolean() });

interface Undoing {
  readonly step: PublishStep;
  readonly result: StepResult | undefined;
  readonly context: PublishContext;
}

/**
 * Takes a step back. Without a result, the run ended in its middle: a plan has steps only for what was missing, so what is there
 * now is taken for the run's.
 *
 * @throws {KvciError} `publish-blocked` by a registry that deletes nothing.
 */
export async function undoStep(undoing: Undoing, repository: Repository): Promise<void> {
  const { step, result } = undoing;
  switch (step.kind) {
    case "tag":
      return undoTag(undoing, repository);
    case "attach": {
      const { image, artifacts } = stepInputs.attach.parse(step.inputs);
      const made = attachResult.safeParse(result).data?.attached ?? artifacts.map(({ manifest }) => manifest.digest);
      return detach(repository, { subject: image.digest, digests: made, signal: undoing.context.signal });
    }
    case "index":
      return undoManifest(stepInputs.index.parse(step.inputs).index.digest, undoing, repository);
    case "push":
      return undoManifest(stepInputs.push.parse(step.inputs).image.digest, undoing, repository);
    default:
      // Checks change nothing.
      return undefined;
  }
}

async function undoTag({ step, result, context }: Undoing, repository: Repository): Promise<void> {
  const { tag, digest } = stepInputs.tag.parse(step.inputs);
  if (tagResult.safeParse(result).data?.moved === false) return;
  const former = formerOf({ step, result, context });
  const now = await repository.manifest(tag);
  if (!now || now.digest === former) return;
  if (now.digest !== digest && !isRemovedTag(now)) {
    return warn(context, `${repository.name}:${tag}`, "moved on since; it is left as it is");
  }
  if (former === null) return removeTag(repository, tag);
  await repository.putManifest(tag, await repository.requireManifest(former));
}

/** What the tag stood for: by the result, by what was remembered before the move, by the plan. */
function formerOf({ step, result, context }: Undoing): string | null {
  const told = tagResult.safeParse(result);
  if (told.success) return told.data.former;
  const remembered = digestSchema.nullable().safeParse(context.recall(formerKey(step)));
  return remembered.success ? remembered.data : stepInputs.tag.parse(step.inputs).former;
}

async function undoManifest(digest: string, { result, context }: Undoing, repository: Repository): Promise<void> {
  if (madeResult.safeParse(result).data?.made === false) return;
  if ((await repository.digestOf(digest)) === undefined) return;
  const own = referrersTag(digest);
  const tags = (await tagsReaching(repository, digest)).filter((tag) => tag !== own);
  if (tags.length > 0) {
    return warn(context, `${repository.name}@${digest}`, `is kept: ${tags.join(", ")} stands for it or holds it`);
  }
  const status = await repository.removeManifest(digest);
  if (![200, 202, 404].includes(status)) throw deletionRefused(repository, status);
}

function warn({ journal }: PublishContext, subject: string, detail: string): void {
  journal.emit({ type: "warning", subject, detail });
}
