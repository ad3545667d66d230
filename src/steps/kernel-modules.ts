import { z } from "zod";
import { recordOf, type DeepReadonly } from "../core/input.ts";
import type { ImageOp } from "../core/op.ts";
import { writeFile } from "../core/op-makers.ts";
import type { Step } from "../core/step.ts";
import { lines } from "./script.ts";
import { checkStep, fileName } from "./step-input.ts";

const moduleName = z.string().regex(/^[A-Za-z0-9_-]+$/, 'a module name such as "br_netfilter" is needed');

const modulesSchema = recordOf({
  /** Names the files, /etc/modules-load.d/<name>.conf and /etc/modprobe.d/<name>.conf. */
  name: fileName.default("kvci-build"),
  /** Modules to load at boot, in this order. */
  load: z.array(moduleName).default([]),
  /** Modules that are not loaded for the hardware that is found. One that the initramfs loads needs a new initramfs. */
  blacklist: z.array(moduleName).default([]),
  /** Parameters by module, for example `{ kvm_intel: "nested=1" }`. */
  parameters: z.record(moduleName, z.string().regex(/^[^\n]+$/, "one line is needed")).default({}),
}).refine(({ load, blacklist, parameters }) => load.length + blacklist.length + Object.keys(parameters).length > 0, {
  error: "name at least one module",
});

export type KernelModulesInput = DeepReadonly<z.input<typeof modulesSchema>>;

/**
 * Says which kernel modules are loaded at boot, which are not, and with what parameters. Takes effect at the next boot.
 *
 * @throws {InputError} `template-invalid`
 */
export function kernelModules(input: KernelModulesInput): Step<ImageOp> {
  const { name, load, blacklist, parameters } = checkStep("kernelModules", modulesSchema, input);
  const rules = [
    ...blacklist.map((module) => `blacklist ${module}`),
    ...Object.entries(parameters).map(([module, text]) => `options ${module} ${text}`),
  ].sort();
  const ops = [
    ...(load.length > 0 ? [writeFile(`/etc/modules-load.d/${name}.conf`, lines(...load))] : []),
    ...(rules.length > 0 ? [writeFile(`/etc/modprobe.d/${name}.conf`, lines(...rules))] : []),
  ];
  return { name: `kernel-modules-${name}`, ops: () => ops };
}
