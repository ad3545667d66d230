import { z } from "zod";
import { recordOf, type DeepReadonly } from "../core/input.ts";
import type { ImageOp } from "../core/op.ts";
import { run } from "../core/op-makers.ts";
import type { Step } from "../core/step.ts";
import { bootUnit } from "./boot-unit.ts";
import { checkStep } from "./step-input.ts";

/** Both go into a unit's command line, and the folder into labels, so no blanks and nothing that a shell reads. */
const folder = z
  .string()
  .regex(/^(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)+$/, 'an absolute path such as "/mnt/disks" is needed');
const diskName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,15}$/, "16 letters, digits, - and _ at most: it becomes the filesystem's label");

const localVolumesSchema = recordOf({
  /** How many; each is mounted at `<dir>/disk1`, `<dir>/disk2` and so on. */
  count: z.int().min(1).max(128).default(10),
  /** The folder that the local volume provisioner looks into. */
  dir: folder.default("/mnt/local-storage/local"),
  /** Where they are: on a disk of their own, or in sparse files of the root filesystem. */
  on: z.enum(["data-disk", "image-file"]),
  /** Size of each. On a data disk without it, they share the disk evenly. */
  sizeGiB: z.int().min(1).max(65_536).optional(),
  /** Serial number that the machine gives the data disk; also the label that its filesystem gets. */
  disk: diskName.default("kvci-volumes"),
}).refine(({ on, sizeGiB }) => on === "data-disk" || sizeGiB !== undefined, {
  error: "missing: files on the root filesystem need a size, which their volumes then have",
  path: ["sizeGiB"],
});

export type LocalVolumesInput = DeepReadonly<z.input<typeof localVolumesSchema>>;

const POOL = "/var/lib/kvci-build/local-volumes";

/**
 * Volumes for the local volume provisioner, made at the node's first boot and mounted at every boot. Each is a filesystem
 * of its own size, so that its PersistentVolume offers what there is, and a full one does not fill the node. kubevirtci
 * bind-mounts folders of the root filesystem instead: ten volumes that each offer all of it, until the node evicts its pods.
 *
 * @throws {InputError} `template-invalid`
 */
export function localVolumes(input: LocalVolumesInput): Step<ImageOp> {
  const { count, dir, on, sizeGiB, disk } = checkStep("localVolumes", localVolumesSchema, input);
  const sizeMiB = String((sizeGiB ?? 0) * 1024);
  const args = [POOL, dir, String(count), sizeMiB, ...(on === "data-disk" ? [disk] : [])];
  const unit = bootUnit({
    name: "local-volumes",
    description: "Make and mount the node's local volumes",
    script: LOCAL_VOLUMES,
    args,
    after: ["kvci-grow-root.service"],
    // Ten filesystems on a slow disk.
    timeoutSeconds: 600,
  });
  return { name: "local-volumes", ops: () => [run("mkdir", "-p", POOL, dir), ...unit] };
}

const LOCAL_VOLUMES = [
  "# local-volumes POOL DIR COUNT SIZE_MIB [DISK]",
  "# Mounts COUNT volumes of SIZE_MIB (0: an even share of the disk) below DIR, from files in POOL, and makes those that are",
  "# missing. POOL is on the disk with the serial number or label DISK, or a folder of the root filesystem without one.",
  "set -eu",
  "pool=$1 dir=$2 count=$3 size=$4 disk=${5-}",
  'say() { echo "kvci-build: local volumes: $*"; }',
  "",
  "# Its label tells the disk once it has a filesystem; the serial number does so before.",
  "mount_disk() {",
  '  if mountpoint -q "$pool"; then return 0; fi',
  '  device=$(blkid -c /dev/null -o device -t "LABEL=$disk" | head -n 1)',
  '  if [ -z "$device" ]; then',
  `    device=$(lsblk -d -n -p -o NAME,SERIAL | awk -v serial="$disk" '$2 == serial { print $1; exit }')`,
  '    if [ -z "$device" ]; then',
  '      say "no disk has the serial number or label $disk, so this node has none"',
  "      exit 0",
  "    fi",
  "    status=0",
  '    found=$(blkid -p "$device") || status=$?',
  "    # 2 is blkid's word for: nothing that it knows is on it.",
  '    if [ "$status" -ne 2 ]; then',
  '      say "$device has the serial number $disk but is not blank, and stays as it is: $found" >&2',
  '      say "attach a blank disk, or wipe this one: wipefs --all $device" >&2',
  "      exit 1",
  "    fi",
  '    mkfs.ext4 -q -F -m 0 -L "$disk" "$device"',
  "  fi",
  '  mount -o noatime "$device" "$pool"',
  "}",
  "",
  "# Sets the size once and for all. A hundredth stays free for the filesystem's own records of where the blocks are.",
  "even_share() {",
  '  if [ ! -e "$pool/size" ]; then',
  `    df -k --output=avail "$pool" | awk -v count="$count" 'NR == 2 { print int($1 * 0.99 / count / 1024) }' > "$pool/size.new"`,
  '    mv "$pool/size.new" "$pool/size"',
  "  fi",
  '  size=$(cat "$pool/size")',
  "}",
  "",
  "# Gets its name last: one that was interrupted is made again.",
  "make_volume() {",
  '  if mountpoint -q "$2"; then umount "$2"; fi',
  '  rm -f "$1.new"',
  '  truncate -s "${size}M" "$1.new"',
  "  # A disk of their own has room for all of them, and keeps it.",
  '  if [ -n "$disk" ]; then fallocate -l "${size}MiB" "$1.new"; fi',
  '  mkfs.ext4 -q -F -m 0 "$1.new"',
  '  mount -o loop,noatime "$1.new" "$2"',
  "  # A claim is an empty folder that pods of any user write to.",
  '  rmdir "$2/lost+found"',
  '  chmod 0777 "$2"',
  "  if command -v selinuxenabled > /dev/null && selinuxenabled; then",
  '    chcon -t container_file_t "$2"',
  "  fi",
  '  sync -f "$2"',
  '  mv "$1.new" "$1"',
  "}",
  "",
  'mkdir -p "$pool" "$dir"',
  'if [ -n "$disk" ]; then mount_disk; fi',
  'if [ "$size" -eq 0 ]; then even_share; fi',
  "number=1",
  'while [ "$number" -le "$count" ]; do',
  "  image=$pool/disk$number.img target=$dir/disk$number",
  '  mkdir -p "$target"',
  '  if [ ! -e "$image" ]; then make_volume "$image" "$target"; fi',
  '  if ! mountpoint -q "$target"; then mount -o loop,noatime "$image" "$target"; fi',
  "  number=$((number + 1))",
  "done",
];
