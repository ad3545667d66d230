import type { z } from "zod";
import { checkInput } from "../core/input.ts";
import type { PublishStep } from "./step.ts";

/**
 * Reads what a step of a plan or a ledger is to work with.
 *
 * @throws {InputError} `publish-stale-plan` for inputs that another version of this program wrote.
 */
export function checkStepInputs(schema: z.ZodType, { inputs, id }: PublishStep): unknown {
  return checkInput(schema, inputs, {
    code: "publish-stale-plan",
    what: `inputs of ${id}`,
    hint: "Make a new plan; a run of another version of kvci-build is rolled back by that version.",
  });
}
