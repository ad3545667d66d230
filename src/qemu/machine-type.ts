import type { Arch } from "../core/platform.ts";

/** What differs between architectures in QEMU's words. */
export interface MachineType {
  readonly machine: string;
  /** Suffix of virtio devices: on the PCI bus, or on s390x's channel subsystem. */
  readonly bus: "pci" | "ccw";
  /** Name of the first serial console in the guest. */
  readonly console: string;
  /** Most complete CPU model of the emulator; `host` is used with KVM. */
  readonly emulatedCpu: string;
}

const MACHINES: Readonly<Record<Arch, MachineType>> = {
  amd64: { machine: "q35", bus: "pci", console: "ttyS0", emulatedCpu: "max" },
  // pauth is emulated with a slow cipher; without it arm64 guests run about twice as fast under TCG.
  arm64: { machine: "virt", bus: "pci", console: "ttyAMA0", emulatedCpu: "max,pauth-impdef=on" },
  s390x: { machine: "s390-ccw-virtio", bus: "ccw", console: "ttysclp0", emulatedCpu: "max" },
};

export function machineType(arch: Arch): MachineType {
  return MACHINES[arch];
}
