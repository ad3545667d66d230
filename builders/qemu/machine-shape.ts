import type { Base } from "../../src/core/disk-image.ts";
import type { Plan } from "../../src/core/plan.ts";
import type { Arch } from "../../src/core/platform.ts";
import type { MachineShape } from "../../src/qemu/boot-request.ts";

/** What a build's machine is made from, apart from its files: what the fingerprint of its memory depends on. */
export function machineShape(of: {
  readonly machine: Plan["machine"] & Pick<Base, "directBoot">;
  readonly arch: Arch;
  readonly identity: Base["identity"];
}): MachineShape {
  const { directBoot, ...rest } = of.machine;
  return { ...rest, arch: of.arch, directBoot, seeded: of.identity === "nocloud" };
}
