import { z } from "zod";
import type { ImageOp } from "../core/op.ts";
import { run } from "../core/op-makers.ts";
import type { Platform } from "../core/platform.ts";
import type { Step } from "../core/step.ts";
import { kernelArguments } from "./kernel-arguments.ts";
import { checkStep, unfitStep } from "./step-input.ts";

const modeSchema = z.enum(["enforcing", "permissive", "disabled"]);
export type SelinuxMode = z.output<typeof modeSchema>;

const CONFIG = "/etc/selinux/config";

/**
 * Sets the SELinux mode from the next boot on. Debian and Ubuntu come without SELinux: there only "disabled" is true, and
 * changes nothing.
 *
 * @throws {InputError} `template-invalid`; when the plan is made, for another mode than "disabled" on Debian or Ubuntu.
 */
export function selinux(mode: SelinuxMode): Step<ImageOp> {
  const checked = checkStep("selinux", modeSchema, mode);
  return { name: `selinux-${checked}`, ops: (platform) => selinuxOps(checked, platform) };
}

function selinuxOps(mode: SelinuxMode, platform: Platform): readonly ImageOp[] {
  if (platform.family === "apt") {
    if (mode === "disabled") return [];
    const message = `${platform.distribution} has no SELinux set up, so it cannot be ${mode}`;
    throw unfitStep("selinux", message, 'Leave the step out for this distribution, or use selinux("disabled").');
  }
  return [
    run("sed", "-i", `s/^SELINUX=.*/SELINUX=${mode}/`, CONFIG),
    // sed is content when nothing matched; the step is not.
    run("grep", "-qx", `SELINUX=${mode}`, CONFIG),
    // Since Linux 6.4 the file alone no longer turns the kernel's part off.
    ...(mode === "disabled" ? kernelArguments({ add: ["selinux=0"] }).ops(platform) : []),
  ];
}
