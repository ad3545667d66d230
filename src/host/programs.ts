import type { Arch } from "../core/platform.ts";
import { packageManagerOf, readOsRelease, type PackageManager } from "./distribution.ts";

/** What a host program is needed for, as people read it in `doctor`. */
export const FEATURES = {
  build: "building by booting a VM",
  "packages-base": "a base from packages",
  firmware: "booting by UEFI firmware",
  "xz-images": "cloud images packed by xz",
  images: "fetching container images",
  "publish-registry": "publishing to registries",
  revisions: "comparing with a git revision",
  "lock-apt": "locking packages of Debian and Ubuntu",
  "lock-dnf": "locking packages of Fedora and CentOS Stream",
  "publish-cloud": "publishing to AWS and GCP",
  tests: "the project's tests only",
} as const;
export type Feature = keyof typeof FEATURES;

export interface HostProgram {
  /** Looked for on the search path, the first that is there counts; an absolute path is looked for as it is. */
  readonly commands?: readonly string[];
  /** Instead of commands: a pair of files. */
  readonly firmware?: readonly Firmware[];
  readonly packages: Readonly<Record<PackageManager, readonly string[]>>;
  readonly version?: {
    readonly args: readonly string[];
    readonly pattern: RegExp;
    /** The oldest that will do, with the reason in a comment. */
    readonly least?: string;
  };
  readonly features: readonly Feature[];
  /** Only for guests of this architecture; without it, for all. */
  readonly arch?: Arch;
}

/** UEFI firmware of a virtual machine: code is shared and never written, vars is a template to copy for each machine. */
export interface Firmware {
  readonly code: string;
  readonly vars: string;
}

const QEMU_VERSION = {
  args: ["--version"],
  pattern: /version (\d+(?:\.\d+)+)/,
  // 5.1 is the first to write zstd clusters into qcow2, 6.0 the first that can end instead of restarting the guest (-action).
  least: "6.0",
} as const;

const VERSION = { args: ["--version"], pattern: /(\d+(?:\.\d+)+)/ } as const;

/**
 * Every program of the host that kvci-build may start. Nothing else is needed; nothing of it is needed by a verb that
 * does not use it. The qemu of RHEL and its kin has no name on the search path.
 */
export const PROGRAMS = {
  "qemu-amd64": {
    commands: ["qemu-system-x86_64", "/usr/libexec/qemu-kvm"],
    packages: { apt: ["qemu-system-x86"], dnf: ["qemu-system-x86-core"] },
    version: QEMU_VERSION,
    features: ["build"],
    arch: "amd64",
  },
  "qemu-arm64": {
    commands: ["qemu-system-aarch64"],
    packages: { apt: ["qemu-system-arm"], dnf: ["qemu-system-aarch64-core"] },
    version: QEMU_VERSION,
    features: ["build"],
    arch: "arm64",
  },
  "qemu-s390x": {
    commands: ["qemu-system-s390x"],
    packages: { apt: ["qemu-system-s390x"], dnf: ["qemu-system-s390x-core"] },
    version: QEMU_VERSION,
    features: ["build"],
    arch: "s390x",
  },
  "qemu-img": {
    commands: ["qemu-img"],
    packages: { apt: ["qemu-utils"], dnf: ["qemu-img"] },
    version: QEMU_VERSION,
    features: ["build"],
  },
  "firmware-amd64": {
    firmware: [
      { code: "/usr/share/OVMF/OVMF_CODE_4M.fd", vars: "/usr/share/OVMF/OVMF_VARS_4M.fd" },
      { code: "/usr/share/edk2/ovmf/OVMF_CODE.fd", vars: "/usr/share/edk2/ovmf/OVMF_VARS.fd" },
      { code: "/usr/share/OVMF/OVMF_CODE.fd", vars: "/usr/share/OVMF/OVMF_VARS.fd" },
    ],
    packages: { apt: ["ovmf"], dnf: ["edk2-ovmf"] },
    features: ["firmware"],
    arch: "amd64",
  },
  "firmware-arm64": {
    firmware: [
      { code: "/usr/share/AAVMF/AAVMF_CODE.fd", vars: "/usr/share/AAVMF/AAVMF_VARS.fd" },
      {
        code: "/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw",
        vars: "/usr/share/edk2/aarch64/vars-template-pflash.raw",
      },
    ],
    packages: { apt: ["qemu-efi-aarch64"], dnf: ["edk2-aarch64"] },
    features: ["firmware"],
    arch: "arm64",
  },
  nbdcopy: {
    commands: ["nbdcopy"],
    packages: { apt: ["libnbd-bin"], dnf: ["libnbd"] },
    // 1.6 is the first that starts the server itself ("[ qemu-nbd … ]").
    version: { ...VERSION, least: "1.6" },
    features: ["publish-cloud"],
  },
  "qemu-nbd": {
    commands: ["qemu-nbd"],
    packages: { apt: ["qemu-utils"], dnf: ["qemu-img"] },
    version: QEMU_VERSION,
    features: ["publish-cloud"],
  },
  mmdebstrap: {
    commands: ["mmdebstrap"],
    // Without its keyring a distribution's packages cannot be verified; uidmap is for those who are not root.
    packages: {
      apt: ["mmdebstrap", "debian-archive-keyring", "uidmap"],
      dnf: ["mmdebstrap", "debian-keyring", "shadow-utils"],
    },
    version: { ...VERSION, least: "0.8" },
    features: ["packages-base"],
  },
  mke2fs: {
    commands: ["mke2fs"],
    packages: { apt: ["e2fsprogs"], dnf: ["e2fsprogs"] },
    // 1.43 is the first to fill a new filesystem from a folder.
    version: { args: ["-V"], pattern: /mke2fs (\d+(?:\.\d+)+)/, least: "1.43" },
    features: ["packages-base"],
  },
  sfdisk: {
    commands: ["sfdisk"],
    packages: { apt: ["fdisk"], dnf: ["util-linux"] },
    // 2.26 is the first to write GPT.
    version: { ...VERSION, least: "2.26" },
    features: ["packages-base"],
  },
  "mkfs.vfat": {
    commands: ["mkfs.vfat"],
    packages: { apt: ["dosfstools"], dnf: ["dosfstools"] },
    version: { args: ["--help"], pattern: /mkfs\.fat (\d+(?:\.\d+)+)/ },
    features: ["packages-base"],
  },
  mcopy: {
    commands: ["mcopy"],
    packages: { apt: ["mtools"], dnf: ["mtools"] },
    version: VERSION,
    features: ["packages-base"],
  },
  xz: {
    commands: ["xz"],
    packages: { apt: ["xz-utils"], dnf: ["xz"] },
    version: VERSION,
    features: ["xz-images"],
  },
  git: {
    commands: ["git"],
    packages: { apt: ["git"], dnf: ["git"] },
    // 2.24 is the first to take --end-of-options.
    version: { ...VERSION, least: "2.24" },
    features: ["revisions"],
  },
  oras: {
    commands: ["oras"],
    packages: { apt: ["oras"], dnf: ["oras"] },
    // 1.2 is the first to copy from and to OCI layouts without a preview flag.
    version: { args: ["version"], pattern: /Version:\s+(\d+(?:\.\d+)+)/, least: "1.2" },
    features: ["publish-registry", "tests"],
  },
  "apt-get": {
    commands: ["apt-get"],
    // Without its keyring a distribution's indexes cannot be verified.
    packages: { apt: ["apt", "debian-archive-keyring", "gpgv"], dnf: ["apt", "debian-keyring", "gnupg2"] },
    // 2.2 is the first to end with an error when one of several indexes is missing.
    version: { ...VERSION, least: "2.2" },
    features: ["lock-apt"],
  },
  "dnf-3": {
    // Of dnf 4 the library alone is used; dnf 5 has another. The command says that it is there: Debian has it in a package of its own.
    commands: ["dnf-3"],
    packages: { apt: ["dnf"], dnf: ["python3-dnf"] },
    version: VERSION,
    features: ["lock-dnf"],
  },
  skopeo: {
    commands: ["skopeo"],
    packages: { apt: ["skopeo"], dnf: ["skopeo"] },
    version: VERSION,
    features: ["images", "tests"],
  },
  "docker-registry": {
    // Fedora's package brings it under a name of its own.
    commands: ["docker-registry", "registry"],
    packages: { apt: ["docker-registry"], dnf: ["docker-distribution"] },
    version: { args: ["--version"], pattern: /v?(\d+(?:\.\d+)+)/ },
    features: ["tests"],
  },
  containerd: {
    // Its client is in the same package.
    commands: ["containerd"],
    packages: { apt: ["containerd"], dnf: ["containerd"] },
    version: VERSION,
    features: ["tests"],
  },
  "apt-ftparchive": {
    commands: ["apt-ftparchive"],
    packages: { apt: ["apt-utils"], dnf: ["apt"] },
    features: ["tests"],
  },
  "dpkg-deb": { commands: ["dpkg-deb"], packages: { apt: ["dpkg"], dnf: ["dpkg"] }, features: ["tests"] },
  gpg: { commands: ["gpg"], packages: { apt: ["gnupg"], dnf: ["gnupg2"] }, features: ["tests"] },
  openssl: { commands: ["openssl"], packages: { apt: ["openssl"], dnf: ["openssl"] }, features: ["tests"] },
  rpmbuild: { commands: ["rpmbuild"], packages: { apt: ["rpm"], dnf: ["rpm-build"] }, features: ["tests"] },
  rpmsign: { commands: ["rpmsign"], packages: { apt: ["rpm"], dnf: ["rpm-sign"] }, features: ["tests"] },
  createrepo_c: {
    commands: ["createrepo_c"],
    packages: { apt: ["createrepo-c"], dnf: ["createrepo_c"] },
    features: ["tests"],
  },
} as const satisfies Readonly<Record<string, HostProgram>>;

export type ProgramId = keyof typeof PROGRAMS;

/** Every id, in the order of the table. */
export const PROGRAM_IDS = Object.keys(PROGRAMS) as readonly ProgramId[];

/** The entry of one program, in the table's general type. */
export function hostProgram(id: ProgramId): HostProgram {
  return PROGRAMS[id];
}

/** What those features need for guests of that architecture, in the order of the table. */
export function programsFor(features: readonly Feature[], arch: Arch): readonly ProgramId[] {
  return PROGRAM_IDS.filter((id) => {
    const program = hostProgram(id);
    const wanted = program.features.some((feature) => features.includes(feature));
    return wanted && (program.arch === undefined || program.arch === arch);
  });
}

/** The words that install packages, to be completed by their names. */
export function installCommand(manager: PackageManager, packages: readonly string[]): readonly [string, ...string[]] {
  return manager === "apt"
    ? ["apt-get", "install", "-y", "--no-install-recommends", ...packages]
    : ["dnf", "install", "-y", ...packages];
}

/** The packages of these programs, each once. */
export function packagesOf(ids: readonly ProgramId[], manager: PackageManager): readonly string[] {
  return [...new Set(ids.flatMap((id) => hostProgram(id).packages[manager]))];
}

/** The exact command that installs these programs on the host with that os-release. */
export function installHintFor(ids: readonly ProgramId[], osRelease: string): string {
  const manager = packageManagerOf(osRelease);
  // No package of oras can be relied on; what finds one elsewhere is part of kvci-build.
  if (ids.includes("oras")) return "Run `kvci-build doctor --fix`.";
  if (manager) return `Run \`sudo ${installCommand(manager, packagesOf(ids, manager)).join(" ")}\`.`;
  const names = packagesOf(ids, "apt").join(", ");
  return `Install it with your package manager; Debian's name for it is ${names}. \`kvci-build doctor\` shows all that is needed.`;
}

/** What to do about a program that could not be started; `program` is a command of the table or any other. */
export function installHint(program: string, osRelease: string = readOsRelease()): string {
  const id = PROGRAM_IDS.find((each) => hostProgram(each).commands?.includes(program));
  if (id) return installHintFor([id], osRelease);
  return `Install ${program} with your package manager; \`kvci-build doctor\` shows what else is needed.`;
}
