import { z } from "zod";
import { KvciError } from "../core/error.ts";
import { jsonOf } from "../core/parse-json.ts";
import { digestSchema } from "../core/record-schemas.ts";

/** What is read of a kept plan: enough to tell whether it still fits. What is done is planned anew. */
const keptPlan = z.object({
  formatVersion: z.literal(1),
  id: digestSchema,
  subject: digestSchema,
  steps: z.array(z.object({ id: z.string() })).readonly(),
});

export type KeptPlan = Readonly<z.output<typeof keptPlan>>;

/** @throws {KvciError} `usage` for what is no plan of this version. */
export function parsePlan(text: string, path: string): KeptPlan {
  const parsed = keptPlan.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  throw new KvciError("usage", `${path} is not a plan of this kvci-build`, {
    hint: "Make one with `kvci-build publish --plan --json > plan.json`.",
    evidence: z.prettifyError(parsed.error).split("\n").slice(0, 10),
    cause: parsed.error,
  });
}
