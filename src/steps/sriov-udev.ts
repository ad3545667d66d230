import { z } from "zod";
import { recordOf, type DeepReadonly } from "../core/input.ts";
import type { ImageOp } from "../core/op.ts";
import { writeFile } from "../core/op-makers.ts";
import type { Step } from "../core/step.ts";
import { lines } from "./script.ts";
import { checkStep } from "./step-input.ts";

const sriovSchema = recordOf({
  /** Driver of the physical function. Default: igb, the SR-IOV card that QEMU emulates. */
  driver: z
    .string()
    .regex(/^[a-z0-9_-]+$/, 'a driver such as "igb" is needed')
    .default("igb"),
  /** What the interface is called. Default: sriov0, where kubevirtci's users look for it. */
  name: z
    .string()
    .regex(/^[a-z][a-z0-9_-]{0,14}$/, "an interface name has 15 characters at most")
    .default("sriov0"),
});

export type SriovUdevInput = DeepReadonly<z.input<typeof sriovSchema>>;

/**
 * Gives the physical function of an SR-IOV card a name of its own, whatever its slot. One card: a second one of the same
 * driver keeps the kernel's name. The kernel needs the driver, which Debian's cloud kernel does not have for igb.
 *
 * @throws {InputError} `template-invalid`
 */
export function sriovUdev(input: SriovUdevInput = {}): Step<ImageOp> {
  const { driver, name } = checkStep("sriovUdev", sriovSchema, input);
  const rule = `ACTION=="add", SUBSYSTEM=="net", DRIVERS=="${driver}", NAME="${name}"`;
  const ops = [
    writeFile(
      // Before 80-net-setup-link.rules, which names what has no name yet.
      "/etc/udev/rules.d/70-kvci-sriov.rules",
      lines("# The virtual functions have a driver of their own and keep their names.", rule),
    ),
  ];
  return { name: "sriov-udev", ops: () => ops };
}
