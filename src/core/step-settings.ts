import { z } from "zod";
import { checkInput } from "./input.ts";
import type { Op } from "./op.ts";
import type { Step } from "./step.ts";

const UNITS_MS = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

const age = z.string().regex(/^[1-9][0-9]{0,4}[mhdw]$/, 'write a number and m, h, d or w, for example "12h" or "7d"');
const phaseName = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/, "use lower-case letters, digits and dashes, 32 at most");

/**
 * The step runs in every build: for what depends on more than its ops, such as the time of day or a moving download. Its
 * layer is never kept, and neither are those after it, so volatile steps belong at the end.
 */
export function volatile<O extends Op>(step: Step<O>): Step<O> {
  return { ...step, volatile: true };
}

/**
 * The step's layer is reused for that long, then made anew with all that follow: for what moves slowly, such as a
 * distribution's updates.
 *
 * @param duration a number and `m`, `h`, `d` or `w`: "12h", "7d".
 * @throws {InputError} `template-invalid`
 */
export function maxAge<O extends Op>(duration: string, step: Step<O>): Step<O> {
  const text = check(age, duration, "maxAge");
  return { ...step, maxAgeMs: Number(text.slice(0, -1)) * UNITS_MS[text.slice(-1) as keyof typeof UNITS_MS] };
}

/** The step runs on a machine that was just booted from its disk, never on one that ran other steps or came from a warm state. */
export function freshBoot<O extends Op>(step: Step<O>): Step<O> {
  return { ...step, freshBoot: true };
}

/**
 * Names the part of the image that steps belong to: a layered node image has one layer per phase, shared by all images
 * whose phases up to there are the same. Steps without a phase are in one with their neighbours.
 *
 * @throws {InputError} `template-invalid`
 */
export function phase(name: string, steps: readonly Step[]): readonly Step[] {
  const checked = check(phaseName, name, "phase");
  return steps.map((step) => ({ ...step, phase: checked }));
}

function check(schema: z.ZodType<string>, value: unknown, what: string): string {
  return checkInput(schema, value, { code: "template-invalid", what, hint: "See docs/templates.md." });
}
