import { KvciError } from "../core/error.ts";
import type { PublishOutcome } from "./publish-run.ts";
import { table } from "./table.ts";

/** What there is now, for people. */
export function renderOutcome({ run, images, leftOut }: PublishOutcome): string {
  const rows = images.map(({ target, place, id, public: isPublic }) => [
    target,
    place,
    id,
    isPublic ? "public" : "private",
  ]);
  const missing = leftOut.map(({ target, place, error }) => `left out: ${target} ${place}: ${error.message}`);
  return [...table(["left", "left", "left", "left"], rows), ...missing, `run ${run}`, ""].join("\n");
}

export function outcomeJson({ run, images, leftOut }: PublishOutcome): object {
  const without = leftOut.map(({ target, place, error: { code, message } }) => ({ target, place, code, message }));
  return { run, leftOut: without, images };
}

/** A release that stands, without the places that it may lack. */
export function partialRelease({ leftOut, run }: PublishOutcome): KvciError {
  const places = leftOut.map(({ target, place }) => `${target} ${place}`).join(", ");
  return new KvciError("publish-partial", `published, without ${places}`, {
    hint: "Run the same command again to bring these up; what is there is not sent again.",
    evidence: [...leftOut.map(({ error }) => error.message), `run ${run}`],
  });
}
