import type { PackagesBase } from "../../src/core/base.ts";
import type { Arch } from "../../src/core/platform.ts";
import { loaderFile } from "./boot-files.ts";
import type { Bootstrapper } from "./bootstrapper.ts";
import { hasEsp, rootStartMiB, TAIL_MIB, type DiskIdentifiers } from "./disk-layout.ts";
import { DISABLED_UNITS, ENABLED_UNITS, MASKED_UNITS } from "./guest-files.ts";

/** Free space in the root filesystem before it grows, in MiB: enough to install a few packages on the base itself. */
const HEADROOM_MIB = 512;

/** Time of the filesystems' own stamps, seconds since 1970 (2024-01-01): the same every time a base is made. */
export const FILESYSTEM_EPOCH = 1_704_067_200;

/**
 * Options that do not depend on the host's e2fsprogs: what the kernel and e2fsck of every release we make bases of know.
 * 64 MiB of journal and inodes for small files suit the disk it will grow to, not the few hundred MiB it starts with.
 */
const MKE2FS_CONF = `[defaults]
  base_features = none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum
  blocksize = 4096
  inode_size = 256
  inode_ratio = 16384
  reserved_ratio = 1
`;

export interface CustomizeRequest {
  readonly spec: PackagesBase;
  readonly arch: Arch;
  readonly ids: DiskIdentifiers;
  readonly bootstrapper: Bootstrapper;
}

/** Files the script writes into. They exist before: inside a user namespace the exchange folder may not be writable. */
export const OUTPUT_FILES = [
  "disk.raw",
  "root-mib",
  "kernel-version",
  "vmlinuz",
  "initrd",
  "loader.efi",
  "packages.tsv",
  "sources.list",
] as const;

/** Files of the exchange folder that the scripts read, beside the guest's own below `files/`. */
export function customizeFiles(request: CustomizeRequest): Readonly<Record<string, string>> {
  return {
    "customize.sh": customizeScript(request),
    "make-root.sh": makeRootScript(request),
    "mke2fs.conf": MKE2FS_CONF,
  };
}

/** Turns the tree of installed packages into a node's root filesystem, and writes what the disk is put together from. */
function customizeScript({ arch, bootstrapper }: CustomizeRequest): string {
  return [
    "set -eu",
    "umask 022",
    "root=$1",
    'cp -R ./files/. "$root/"',
    `mkdir -p "$root/boot${hasEsp(arch) ? "/efi" : ""}"`,
    ...unitLines(),
    ...identityLines(),
    `${bootstrapper.listPackages()} > ./packages.tsv`,
    ...bootLines(arch),
    ...bootstrapper.cleanUp(),
    // Last: until here the tree had the host's, to install packages with.
    // systemd-resolved's package has kept a copy of it.
    'rm -f "$root/etc/.resolv.conf.systemd-resolved.bak"',
    'ln -sfn ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"',
    'unshare --mount sh ./make-root.sh "$root"',
    "",
  ].join("\n");
}

function unitLines(): readonly string[] {
  const disable =
    'if [ -e "$root/usr/lib/systemd/system/$unit" ]; then chroot "$root" systemctl --quiet disable "$unit"; fi';
  return [
    `for unit in ${ENABLED_UNITS.join(" ")}; do chroot "$root" systemctl --quiet enable "$unit"; done`,
    `for unit in ${DISABLED_UNITS.join(" ")}; do ${disable}; done`,
    `for unit in ${MASKED_UNITS.join(" ")}; do ln -sfn /dev/null "$root/etc/systemd/system/$unit"; done`,
  ];
}

/**
 * Nothing may be the same on two machines. The machine-id is empty, not "uninitialized": the latter makes systemd turn on
 * every unit it has a preset for, which on Debian is all of them.
 */
function identityLines(): readonly string[] {
  return [
    'rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/hostname" "$root/var/lib/dbus/machine-id"',
    'rm -f "$root/var/lib/systemd/random-seed" "$root/var/lib/systemd/credential.secret"',
    ': > "$root/etc/machine-id"',
  ];
}

function bootLines(arch: Arch): readonly string[] {
  const loader = loaderFile(arch);
  return [
    `kernel=$(ls "$root/boot" | sed -n 's/^vmlinuz-//p' | sort -V | tail -n 1)`,
    'if [ -z "$kernel" ]; then echo "E: the packages brought no kernel" >&2; exit 1; fi',
    'echo "$kernel" > ./kernel-version',
    'cat "$root/boot/vmlinuz-$kernel" > ./vmlinuz',
    'cat "$root/boot/initrd.img-$kernel" > ./initrd',
    ...(loader === undefined ? [] : [`cat "$root/usr/lib/systemd/boot/efi/${loader}" > ./loader.efi`]),
  ];
}

/**
 * Makes the root filesystem, in a mount namespace of its own: on a bind mount without what is mounted below, so that /proc
 * and /sys are empty, and with empty /dev, /run and /tmp, where the bootstrapper still has files.
 */
function makeRootScript({ arch, ids }: CustomizeRequest): string {
  const startMiB = rootStartMiB(arch);
  return [
    "set -eu",
    "root=$1 tree=$1/mnt",
    'mount --bind "$root" "$tree"',
    'for folder in dev run; do mount -t tmpfs -o mode=0755 tmpfs "$tree/$folder"; done',
    'mount -t tmpfs -o mode=1777 tmpfs "$tree/tmp"',
    // One block for each file covers what its last block wastes, its inode and its name.
    'bytes=$(du --apparent-size --block-size=1 --summarize "$tree" | cut -f 1)',
    'files=$(du --inodes --summarize "$tree" | cut -f 1)',
    `mib=$(( (bytes + files * 4096) / 1048576 * 105 / 100 + 64 + ${String(HEADROOM_MIB)} ))`,
    `truncate -s $(( (${String(startMiB)} + mib + ${String(TAIL_MIB)}) * 1048576 )) ./disk.raw`,
    `MKE2FS_CONFIG=./mke2fs.conf E2FSPROGS_FAKE_TIME=${String(FILESYSTEM_EPOCH)} mke2fs -q -F -t ext4 -L root -U ${ids.rootFilesystem} \\`,
    `  -J size=64 -E offset=${String(startMiB * 1024 ** 2)},hash_seed=${ids.hashSeed},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0 \\`,
    '  -d "$tree" ./disk.raw "${mib}m"',
    'echo "$mib" > ./root-mib',
    "",
  ].join("\n");
}
