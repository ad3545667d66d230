import { z } from "zod";
import { baseSchema } from "./base.ts";
import { checkInput } from "./input.ts";
import { ARCHES } from "./platform.ts";
import type { Step } from "./step.ts";

const name = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/, "use lower-case letters, digits, dots and dashes, for example k8s-1.31")
  .max(63);

const step = z.custom<Step>(
  (value) =>
    typeof value === "object" && value !== null && "name" in value && "ops" in value && typeof value.ops === "function",
  "a step is needed: call a function of src/steps, or defineStep(name, ops)",
);

const templateSchema = z
  .strictObject({
    name,
    description: z.string().optional(),
    /** Architectures the template can be built for, in OCI's words. */
    arches: z.array(z.enum(ARCHES)).min(1).default(["amd64"]),
    base: baseSchema,
    disk: z.strictObject({ sizeGiB: z.number().min(1).max(2048) }).default({ sizeGiB: 10 }),
    machine: z
      .strictObject({
        memoryMiB: z.int().min(256).default(2048),
        cpus: z.int().min(1).max(64).default(2),
        firmware: z.enum(["uefi", "bios"]).default("uefi"),
      })
      .default({ memoryMiB: 2048, cpus: 2, firmware: "uefi" }),
    steps: z.array(step).default([]),
    outputs: z.array(z.enum(["container-disk"])).default(["container-disk"]),
    /** Verification suites that `template` runs on the finished disk. */
    checks: z.array(z.enum(["boot"])).default(["boot"]),
    /** Put into the image's OCI labels and annotations, for example the Kubernetes version. */
    labels: z.record(z.string().min(1), z.string()).default({}),
  })
  .superRefine(({ steps }, context) => {
    const seen = new Set<string>();
    steps.forEach((item, index) => {
      if (!/^[a-z0-9][a-z0-9.+-]*$/.test(item.name)) {
        context.addIssue({ code: "custom", path: ["steps", index, "name"], message: `"${item.name}" is not a step name: use lower-case letters, digits, dots, + and -` });
      }
      if (seen.has(item.name)) {
        context.addIssue({ code: "custom", path: ["steps", index], message: `duplicate step name "${item.name}"` });
      }
      seen.add(item.name);
    });
  });

/** What a template file may say; hover a key in the editor for its meaning. */
export type TemplateInput = z.input<typeof templateSchema>;
/** A checked template, defaults filled in. Data only: two calls with equal input are equal. */
export type Template = Readonly<z.output<typeof templateSchema>>;

/**
 * Declares a template; a template file's default export. A family of templates is a function that returns this.
 *
 * @throws {InputError} `template-invalid` with every mistake; the command line shows file, line and column of each.
 */
export function defineTemplate(input: TemplateInput): Template {
  return checkInput(templateSchema, input, {
    code: "template-invalid",
    what: `template "${typeof input?.name === "string" ? input.name : "without a name"}"`,
    hint: "See docs/templates.md, or templates/quickstart.ts for a complete example.",
  });
}
