import { z } from "zod";
import { recordOf, type DeepReadonly } from "../core/input.ts";
import type { ImageOp } from "../core/op.ts";
import { run } from "../core/op-makers.ts";
import type { Step } from "../core/step.ts";
import { checkStep, stepName, unitName } from "./step-input.ts";

const servicesSchema = recordOf({
  /** Units to start at every boot of the node. */
  enable: z.array(unitName).default([]),
  /** Units not to start at boot; others may still pull them in. */
  disable: z.array(unitName).default([]),
  /** Units that nothing may start. */
  mask: z.array(unitName).default([]),
})
  .refine(({ enable, disable, mask }) => new Set([...enable, ...disable, ...mask]).size > 0, "name at least one unit")
  .refine(
    ({ enable, disable, mask }) =>
      new Set([...enable, ...disable, ...mask]).size === enable.length + disable.length + mask.length,
    "a unit is named twice",
  );

export type ServicesInput = DeepReadonly<z.input<typeof servicesSchema>>;

/**
 * Enables, disables and masks systemd units. Nothing is started or stopped: the node does that when it boots.
 *
 * @throws {InputError} `template-invalid`
 */
export function services(input: ServicesInput): Step<ImageOp> {
  const { enable, disable, mask } = checkStep("services", servicesSchema, input);
  const ops = Object.entries({ enable, disable, mask })
    .filter(([, units]) => units.length > 0)
    .map(([verb, units]) => run("systemctl", verb, ...units));
  const subjects = [...enable, ...disable, ...mask].map((unit) => unit.replace(/\.service$/, ""));
  return { name: stepName("services", subjects), ops: () => ops };
}
