/** Architectures in OCI's words. */
export const ARCHES = ["amd64", "arm64", "s390x"] as const;
export type Arch = (typeof ARCHES)[number];

/** How a distribution installs packages; what steps branch on. */
export type OsFamily = "apt" | "dnf";

/** What a step may depend on: nothing else about the machine is known when ops are made. */
export interface Platform {
  readonly os: "linux";
  readonly arch: Arch;
  readonly family: OsFamily;
  /** `ID` of os-release: "debian", "ubuntu", "fedora", "centos". */
  readonly distribution: string;
  /** Release as people write it: "12", "24.04", "43", "9". */
  readonly release: string;
  /** What loads the kernel from the disk; kernel arguments are set through it. */
  readonly bootLoader: "grub" | "systemd-boot" | "zipl";
}
