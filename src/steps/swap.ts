import { z } from "zod";
import { recordOf, type DeepReadonly } from "../core/input.ts";
import type { ImageOp } from "../core/op.ts";
import { run, writeFile } from "../core/op-makers.ts";
import type { Platform } from "../core/platform.ts";
import type { Step } from "../core/step.ts";
import { bootUnit, bootUnitName } from "./boot-unit.ts";
import { lines, shell } from "./script.ts";
import { checkStep } from "./step-input.ts";
import { sysctls } from "./sysctls.ts";

/** Leaves the node without swap, which kubelet refuses to start with unless told otherwise. Takes effect at the next boot. */
export function swapOff(): Step<ImageOp> {
  return { name: "swap-off", ops: swapOffOps };
}

function swapOffOps({ family }: Platform): readonly ImageOp[] {
  return family === "dnf" ? [...commonOps(), zramOff()] : commonOps();
}

function commonOps(): readonly ImageOp[] {
  const swapLine = "^[^#[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]+swap[[:space:]]";
  return [
    shell("if [ -e /etc/fstab ]; then", `  sed -i -E '/${swapLine}/ s/^/# off for Kubernetes: /' /etc/fstab`, "fi"),
    // Every swap unit hangs on this target, also those that systemd makes from a swap partition it finds by itself.
    run("systemctl", "mask", "swap.target"),
  ];
}

/** An empty file in /etc hides the one in /usr/lib that gives Fedora its compressed swap in memory. */
function zramOff(): ImageOp {
  return writeFile(
    "/etc/systemd/zram-generator.conf",
    lines("# Empty on purpose: no swap in memory on a Kubernetes node."),
  );
}

const swapSchema = recordOf({
  /** Size of the swap file. */
  sizeMiB: z.int().min(16).max(1_048_576),
  /** How readily the kernel swaps, 0 to 200; the kernel's own default, 60, unless told. */
  swappiness: z.int().min(0).max(200).optional(),
});

export type SwapInput = DeepReadonly<z.input<typeof swapSchema>>;

const SWAP_FILE = "/swapfile";
/** systemd wants the unit to be named after the file. */
const SWAP_UNIT = "swapfile.swap";
const MAKER = "swap-file";

/**
 * Gives the node a swap file, and no other swap. It is made at the node's first boot, when the root filesystem was grown:
 * in the image it would only be size. Whether kubelet starts beside it, and what pods may do with it, is for `kubeletConfig`.
 *
 * @throws {InputError} `template-invalid`
 */
export function swap(input: SwapInput): Step<ImageOp> {
  const { sizeMiB, swappiness } = checkStep("swap", swapSchema, input);
  const setting = swappiness === undefined ? undefined : sysctls({ "vm.swappiness": swappiness }, "swap");
  return {
    name: "swap",
    ops: (platform) => [
      ...swapOffOps(platform),
      ...bootUnit({
        name: MAKER,
        description: "Make the swap file",
        script: MAKE_SWAP_FILE,
        args: [SWAP_FILE, String(sizeMiB)],
        after: ["kvci-grow-root.service"],
        before: [SWAP_UNIT],
        timeoutSeconds: 300,
        onDemand: true,
      }),
      writeFile(`/etc/systemd/system/${SWAP_UNIT}`, swapUnit()),
      run("systemctl", "enable", SWAP_UNIT),
      ...(setting?.ops(platform) ?? []),
    ],
  };
}

function swapUnit(): string {
  return lines(
    "[Unit]",
    "Description=Swap file",
    "# Nothing by default: that would be swap.target, which is masked and comes before the root filesystem is grown.",
    "DefaultDependencies=no",
    `Requires=${bootUnitName(MAKER)}`,
    `After=${bootUnitName(MAKER)}`,
    "Conflicts=umount.target",
    "Before=umount.target kubelet.service",
    "ConditionPathExists=!/run/kvci-build",
    "",
    "[Swap]",
    `What=${SWAP_FILE}`,
    "",
    "[Install]",
    "WantedBy=multi-user.target",
  );
}

const MAKE_SWAP_FILE = [
  "# Makes the swap file $1 of $2 MiB where there is none.",
  "set -eu",
  "file=$1 size=$2",
  'if [ -e "$file" ]; then exit 0; fi',
  "umask 077",
  'rm -f "$file.new"',
  ': > "$file.new"',
  "# On btrfs a swap file cannot be copied on write, and only an empty file can be told so. Others do not know the flag.",
  'chattr +C "$file.new" 2> /dev/null || true',
  'fallocate -l "${size}MiB" "$file.new"',
  'mkswap "$file.new" > /dev/null',
  "if command -v selinuxenabled > /dev/null && selinuxenabled; then",
  '  chcon -t swapfile_t "$file.new"',
  "fi",
  'mv "$file.new" "$file"',
];
