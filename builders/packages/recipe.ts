import type { Distribution, PackagesBase } from "../../src/core/base.ts";
import type { Base } from "../../src/core/disk-image.ts";
import { digestOfValue } from "../../src/core/digest.ts";
import { KvciError } from "../../src/core/error.ts";
import type { Arch } from "../../src/core/platform.ts";

/** Counts up whenever the same spec would make a different disk, so that an older base is never taken for ours. */
export const RECIPE_VERSION = 1;

/** What is known about a release that bases can be made of. */
export interface Release {
  /** The name the package archive files it under. */
  readonly suite: string;
  readonly components: readonly string[];
  readonly arches: readonly Arch[];
  readonly kernel: Readonly<Record<Arch, string>>;
  /** systemd reads credentials from firmware since 251; older releases get in by a cloud-init seed. */
  readonly identity: Base["identity"];
}

const debianKernel = {
  // The cloud flavour leaves out drivers of real hardware; KVM, br_netfilter, vxlan and openvswitch are in it as modules.
  amd64: "linux-image-cloud-amd64",
  arm64: "linux-image-cloud-arm64",
  s390x: "linux-image-s390x",
} as const;

const debian = {
  components: ["main"],
  arches: ["amd64", "arm64", "s390x"],
  kernel: debianKernel,
  identity: "systemd-credentials",
} as const satisfies Partial<Release>;

const RELEASES: Readonly<Partial<Record<Distribution, Readonly<Record<string, Release>>>>> = {
  debian: {
    "12": { ...debian, suite: "bookworm" },
    "13": { ...debian, suite: "trixie" },
  },
  ubuntu: {
    "24.04": {
      suite: "noble",
      // cloud-guest-utils is in main, systemd-boot in universe.
      components: ["main", "universe"],
      // Ubuntu's arm64 kernels are gzip files, which systemd-boot cannot start.
      arches: ["amd64"],
      kernel: { amd64: "linux-image-virtual", arm64: "linux-image-virtual", s390x: "linux-image-generic" },
      identity: "systemd-credentials",
    },
  },
};

/** In every base: an init that boots, a network that comes up, a way in, and what grows the disk. */
const COMMON_PACKAGES = [
  "ca-certificates",
  "cloud-guest-utils",
  "cloud-init",
  "dbus",
  "e2fsprogs",
  "fdisk",
  "iproute2",
  "libpam-systemd",
  "login",
  "netbase",
  "openssh-server",
  // cloud-init's default user is of no use without it.
  "sudo",
  "systemd-resolved",
  "systemd-sysv",
  "systemd-timesyncd",
  "udev",
  // initramfs-tools compresses with it, and falls back to a slower one when it is missing.
  "zstd",
] as const;

/**
 * The release of a spec.
 *
 * @throws {KvciError} `base-failed` for releases and architectures that bases are not made of.
 */
export function releaseOf(spec: PackagesBase, arch: Arch): Release {
  const releases = RELEASES[spec.distribution] ?? {};
  const release = releases[spec.release];
  if (!release) {
    throw new KvciError("base-failed", `no base is made from packages of ${spec.distribution} ${spec.release}`, {
      hint: `Releases of ${spec.distribution} that work: ${Object.keys(releases).join(", ")}.`,
    });
  }
  if (release.arches.includes(arch)) return release;
  throw new KvciError(
    "base-failed",
    `no base is made from packages of ${spec.distribution} ${spec.release} for ${arch}`,
    {
      hint: `Build for ${release.arches.join(" or ")}, or start from cloudImage.`,
    },
  );
}

/** All packages of a base, sorted: the recipe's own, the kernel, the boot loader and what the spec adds. */
export function packagesOf(spec: PackagesBase, arch: Arch): readonly string[] {
  const loader = arch === "s390x" ? "s390-tools" : "systemd-boot";
  const kernel = releaseOf(spec, arch).kernel[arch];
  return [...new Set([...COMMON_PACKAGES, kernel, loader, ...spec.include])].sort();
}

/** The key a base is stored under: 64 hexadecimal digits. The order and repetition of `include` do not matter. */
export function keyOf(spec: PackagesBase, arch: Arch): string {
  const include = [...new Set(spec.include)].sort();
  return digestOfValue({ recipe: RECIPE_VERSION, spec: { ...spec, include }, arch }).replace("sha256:", "");
}
