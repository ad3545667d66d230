import type { Digest } from "./digest.ts";

/** A disk image file. A qcow2 may have a chain of backing files below it; an exported one stands alone. */
export interface DiskImage {
  readonly path: string;
  readonly format: "qcow2" | "raw";
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
}

export interface DirectBoot {
  readonly kernel: string;
  readonly initrd: string;
  /** Kernel arguments without the console, which the builder adds. */
  readonly kernelArguments: string;
}
