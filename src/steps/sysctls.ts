import { z } from "zod";
import type { ImageOp } from "../core/op.ts";
import { writeFile } from "../core/op-makers.ts";
import type { Step } from "../core/step.ts";
import { lines } from "./script.ts";
import { checkStep, fileName } from "./step-input.ts";

const key = z.string().regex(/^[a-z0-9_]+(?:[./][A-Za-z0-9_*-]+)+$/, 'a key such as "net.ipv4.ip_forward" is needed');
const value = z.union([z.int(), z.string().regex(/^[^\n]+$/, "a whole number or one line of text is needed")], {
  error: "a whole number or one line of text is needed",
});
const valuesSchema = z
  .record(key, value)
  .refine((values) => Object.keys(values).length > 0, "name at least one setting");

export type SysctlValues = Readonly<Record<string, string | number>>;

/**
 * Sets kernel parameters in /etc/sysctl.d/90-<name>.conf, sorted. Takes effect at the next boot, after the modules of
 * modules-load.d were loaded.
 *
 * @throws {InputError} `template-invalid`
 */
export function sysctls(values: SysctlValues, name = "kvci-build"): Step<ImageOp> {
  const checked = checkStep("sysctls", valuesSchema, values);
  const subject = checkStep("sysctls", fileName, name);
  const settings = Object.entries(checked).map(([setting, content]) => `${setting} = ${String(content)}`);
  const ops = [writeFile(`/etc/sysctl.d/90-${subject}.conf`, lines(...settings.sort()))];
  return { name: `sysctls-${subject}`, ops: () => ops };
}
