import type { Digest } from "./digest.ts";

/** Formats a base may have, as qemu-img calls them. What is built is always qcow2. */
export type DiskFormat = "qcow2" | "raw" | "vmdk" | "vhdx" | "vdi" | "vpc";

/** A disk image file. A qcow2 may have a chain of backing files below it; an exported one stands alone. */
export interface DiskImage {
  readonly path: string;
  readonly format: DiskFormat;
  /** Size the guest sees, in bytes. */
  readonly virtualBytes: number;
  /** Size of the file, in bytes; holes counted. */
  readonly fileBytes: number;
  /** sha256 of the file's bytes. */
  readonly digest: Digest;
}

/** A base in the store: its disk and, where they are known, kernel and initrd to boot it without firmware and boot loader. */
export interface Base {
  readonly disk: DiskImage;
  readonly directBoot?: DirectBoot | undefined;
  /** How a build gets in: systemd credentials (≥ 252, Debian's sshd layout) or a cloud-init NoCloud seed. */
  readonly identity: "systemd-credentials" | "nocloud";
  /** Number of the root partition, where the build has to grow it; absent where cloud-init does. */
  readonly rootPartition?: number | undefined;
}

export interface DirectBoot {
  readonly kernel: string;
  readonly initrd: string;
  /** Kernel arguments without the console, which the builder adds. */
  readonly kernelArguments: string;
}
