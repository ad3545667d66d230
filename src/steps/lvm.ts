import { z } from "zod";
import { recordOf, type DeepReadonly } from "../core/input.ts";
import type { ImageOp } from "../core/op.ts";
import type { Step } from "../core/step.ts";
import { composed } from "./composed-step.ts";
import { files } from "./files.ts";
import { installPackages } from "./packages.ts";
import { lines } from "./script.ts";
import { checkStep } from "./step-input.ts";

const lvmSchema = recordOf({
  /** Makes virtio disks say that they are SSDs. Default: false. */
  fakeSsd: z.boolean().default(false),
});

export type LvmInput = DeepReadonly<z.input<typeof lvmSchema>>;

/**
 * Installs LVM. With `fakeSsd`, virtio disks claim not to rotate: QEMU cannot say so for them, and storage such as Ceph
 * treats a rotating disk as a slow one, which tests then wait for.
 *
 * @throws {InputError} `template-invalid`
 */
export function lvm(input: LvmInput = {}): Step<ImageOp> {
  const { fakeSsd } = checkStep("lvm", lvmSchema, input);
  return composed("lvm", [installPackages(["lvm2"]), ...(fakeSsd ? [fakeSsdRule()] : [])]);
}

/** Disks only: a partition has no queue of its own. */
function fakeSsdRule(): Step<ImageOp> {
  const match = 'ACTION=="add|change", SUBSYSTEM=="block", ENV{DEVTYPE}=="disk", KERNEL=="vd[a-z]*"';
  return files("fake-ssd", {
    "/etc/udev/rules.d/60-kvci-fake-ssd.rules": lines(`${match}, ATTR{queue/rotational}="0"`),
  });
}
