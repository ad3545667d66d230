import { z } from "zod";
import { baseSchema, type BaseInput } from "./base.ts";
import { checkInput, recordOf } from "./input.ts";
import { ARCHES, type Arch } from "./platform.ts";
import type { Step } from "./step.ts";

const name = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/, "use lower-case letters, digits, dots and dashes, for example k8s-1.31")
  .max(63);

const STEP_NAME = /^[a-z0-9][a-z0-9.+-]*$/;

const step = z.custom<Step>(isStep, "a step is needed: call a function of the step library, or defineStep(name, ops)");

function isStep(value: unknown): boolean {
  if (typeof value !== "object" || value === null || !("name" in value) || !("ops" in value)) return false;
  return typeof value.name === "string" && typeof value.ops === "function";
}

const steps = z.array(step).superRefine((list, context) => {
  const seen = new Set<string>();
  list.forEach((item, index) => {
    const complain = (message: string): void => {
      context.addIssue({ code: "custom", path: [index], message });
    };
    if (!STEP_NAME.test(item.name)) {
      complain(`"${item.name}" is not a step name: use lower-case letters, digits, dots, + and -`);
    }
    if (seen.has(item.name)) complain(`duplicate step name "${item.name}"`);
    seen.add(item.name);
  });
});

/** A list in which nothing is said twice. */
function listOf<S extends z.ZodType<string>>(item: S): z.ZodArray<S> {
  return z.array(item).superRefine((list, context) => {
    list.forEach((value, index) => {
      if (list.indexOf(value) !== index) {
        context.addIssue({ code: "custom", path: [index], message: `"${value}" is listed twice` });
      }
    });
  });
}

export const templateSchema = recordOf({
  name,
  description: z.string().optional(),
  arches: listOf(z.enum(ARCHES)).min(1, "at least one architecture is needed").default(["amd64"]),
  base: baseSchema,
  disk: recordOf({ sizeGiB: z.number().min(1).max(2048) }).default({ sizeGiB: 10 }),
  machine: recordOf({
    memoryMiB: z.int().min(256).default(2048),
    cpus: z.int().min(1).max(64).default(2),
    firmware: z.enum(["uefi", "bios"]).default("uefi"),
  }).default({ memoryMiB: 2048, cpus: 2, firmware: "uefi" }),
  steps: steps.default([]),
  outputs: listOf(z.enum(["container-disk", "layered-disk"])).default(["container-disk"]),
  checks: listOf(z.enum(["boot", "node"])).default(["boot"]),
  maxLayerMiB: z.record(z.string(), z.number().positive()).default({}),
  labels: z.record(z.string().min(1), z.string()).default({}),
});

/** What a template file may say; hover a key in the editor for its meaning. */
export interface TemplateInput {
  /** Lower-case letters, digits, dots and dashes, 63 at most; names the build's folder and its image. For example "k8s-1.31". */
  readonly name: string;
  /** One line for people: what the image is for. */
  readonly description?: string | undefined;
  /** Architectures it can be built for, in OCI's words. Default: `["amd64"]`. */
  readonly arches?: readonly Arch[] | undefined;
  /** What it starts from: `packages({…})`, `cloudImage({…})`, `localDisk(path, {…})` or `fromTemplate(name)`. */
  readonly base: BaseInput;
  /** The disk that is made. Part of every key. */
  readonly disk?: DiskInput | undefined;
  /** The virtual machine the steps run in; it shapes how long a build takes, not the disk, and is in no key. */
  readonly machine?: MachineInput | undefined;
  /** What is done to the base, in order. Names are unique. */
  readonly steps?: readonly Step[] | undefined;
  /**
   * What is made of the disk. `container-disk`: an OCI image as KubeVirt boots it. `layered-disk`: an OCI image of the
   * disk's chain, one layer per phase, of which a registry and a node store shared layers once. Default: `["container-disk"]`.
   */
  readonly outputs?: readonly ("container-disk" | "layered-disk")[] | undefined;
  /** Verification suites that `kvci-build template` runs on the finished disk. Default: `["boot"]`. */
  readonly checks?: readonly ("boot" | "node")[] | undefined;
  /**
   * What the layers of a phase may take together, in MiB, by the phase's name: a larger one fails the build, with what takes the
   * most of it. In no key.
   */
  readonly maxLayerMiB?: Readonly<Record<string, number>> | undefined;
  /** Put into the image's OCI labels and annotations, for example the Kubernetes version. In no key. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

export interface DiskInput {
  /** Size the guest sees, in GiB: 1 to 2048, fractions allowed and rounded to whole MiB. Default: 10. */
  readonly sizeGiB: number;
}

export interface MachineInput {
  /** Memory of the build's machine in MiB, at least 256. Default: 2048. */
  readonly memoryMiB?: number | undefined;
  /** Processors of the build's machine, 1 to 64. Default: 2. */
  readonly cpus?: number | undefined;
  /** What the machine boots through. Default: "uefi". */
  readonly firmware?: "uefi" | "bios" | undefined;
}

/** A checked template, defaults filled in. Data only: two calls with equal input are equal. */
export type Template = Readonly<z.output<typeof templateSchema>>;

/**
 * Declares a template; a template file's default export. A family of templates is a function that returns this.
 *
 * @throws {InputError} `template-invalid` with every mistake; the command line shows file, line and column of each.
 */
export function defineTemplate(input: TemplateInput): Template {
  // The type is a promise that plain JavaScript does not keep.
  const name = (input as { readonly name?: unknown } | null | undefined)?.name;
  return checkInput(templateSchema, input, {
    code: "template-invalid",
    what: typeof name === "string" ? `template "${name}"` : "template without a name",
    hint: "See docs/templates.md, or templates/quickstart.ts for a complete example.",
  });
}
