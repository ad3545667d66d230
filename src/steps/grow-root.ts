import type { ImageOp } from "../core/op.ts";
import type { Step } from "../core/step.ts";
import { bootUnit } from "./boot-unit.ts";
import { composed } from "./composed-step.ts";
import { installPackages } from "./packages.ts";

/**
 * Makes the root partition and its filesystem (ext4, XFS, btrfs) as large as the disk, at the node's first boot and
 * whenever the disk has grown since. For nodes that cloud-init does not set up; where it does, this finds nothing to do.
 */
export function growRootOnFirstBoot(): Step<ImageOp> {
  return composed("grow-root", [
    installPackages({ apt: ["cloud-guest-utils"], dnf: ["cloud-utils-growpart"] }),
    {
      name: "grow-root-unit",
      ops: () =>
        bootUnit({
          name: "grow-root",
          description: "Grow the root filesystem to the size of its disk",
          script: GROW_ROOT,
          // Growing ext4 by a terabyte takes half a minute on a slow disk.
          timeoutSeconds: 600,
        }),
    },
  ]);
}

/** Starts few programs, as an emulated node takes a tenth of a second for each. The argument is for tests. */
const GROW_ROOT = [
  "# Makes partition and filesystem of $1 (default: /) as large as the disk.",
  "set -eu",
  "mount=${1:-/}",
  'type=$(findmnt -n -o FSTYPE "$mount")',
  'device=$(findmnt -n -o SOURCE "$mount")',
  "# btrfs names its subvolume in brackets behind the device.",
  "device=${device%%\\[*}",
  'name=$(readlink -f "$device")',
  "block=/sys/class/block/${name##*/}",
  'if [ -e "$block/partition" ]; then',
  '  read -r partition < "$block/partition"',
  '  read -r start < "$block/start"',
  '  read -r size < "$block/size"',
  '  read -r whole < "$block/../size"',
  "  # Sectors of 512 bytes behind the partition; growpart leaves up to 1 MiB and the copy of the partition table.",
  "  if [ $((whole - start - size)) -gt 4096 ]; then",
  '    disk=$(readlink -f "$block/..")',
  "    # 1 is growpart's word for: another partition is in the way.",
  '    growpart "/dev/${disk##*/}" "$partition" || [ $? -eq 1 ]',
  "  fi",
  "fi",
  'case "$type" in',
  '  ext2 | ext3 | ext4) said=$(resize2fs "$device" 2>&1) || { echo "$said" >&2; exit 1; } ;;',
  '  xfs) xfs_growfs "$mount" > /dev/null ;;',
  '  btrfs) btrfs filesystem resize max "$mount" > /dev/null ;;',
  '  *) echo "kvci-build: $mount is $type, which is not grown" ;;',
  "esac",
];
