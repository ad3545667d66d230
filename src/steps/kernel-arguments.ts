import { z } from "zod";
import { recordOf, type DeepReadonly } from "../core/input.ts";
import type { ImageOp } from "../core/op.ts";
import { run, writeFile } from "../core/op-makers.ts";
import type { Platform } from "../core/platform.ts";
import type { Step } from "../core/step.ts";
import { lines, shell } from "./script.ts";
import { checkStep, fileName } from "./step-input.ts";

/** No quotes, blanks or dollar signs: four boot loaders' files would each read them differently. */
const argument = z
  .string()
  .regex(
    /^[A-Za-z0-9_][A-Za-z0-9_.-]*(?:=[A-Za-z0-9_.,:/@+%!=-]*)?$/,
    'an argument such as "nosmt" or "console=ttyS0,115200" is needed',
  );

const argumentsSchema = recordOf({
  /** Names the step and, with GRUB on Debian, the file /etc/default/grub.d/90-<name>.cfg. */
  name: fileName.default("kvci-build"),
  /** Arguments to have at the end. One of the same name with another value stays, unless `remove` names it. */
  add: z.array(argument).default([]),
  /** `name` removes the argument with any value, `name=value` only that one. */
  remove: z.array(argument).default([]),
}).refine(({ add, remove }) => add.length + remove.length > 0, {
  error: "name at least one argument to add or remove",
});

export type KernelArgumentsInput = DeepReadonly<z.input<typeof argumentsSchema>>;
type Change = z.output<typeof argumentsSchema>;

/** Where a disk of ours (packages base, systemd-boot) mounts its ESP. */
const ENTRIES = "/boot/efi/loader/entries/*.conf";
const KERNEL_CMDLINE = "/etc/kernel/cmdline";

/**
 * Adds and removes kernel arguments through the platform's boot loader, for the kernels that are installed and for those
 * that come later. Takes effect at the next boot.
 *
 * @throws {InputError} `template-invalid`
 */
export function kernelArguments(input: KernelArgumentsInput): Step<ImageOp> {
  const change = checkStep("kernelArguments", argumentsSchema, input);
  return { name: `kernel-arguments-${change.name}`, ops: (platform) => argumentOps(change, platform) };
}

function argumentOps(change: Change, { bootLoader, family }: Platform): readonly ImageOp[] {
  if (bootLoader === "systemd-boot") return [editLoaderEntries(change), editKernelCmdline(change)];
  // grubby writes the boot loader specification's entries, which GRUB and zipl of Fedora and CentOS both read.
  if (family === "dnf") return [...grubby(change), ...(bootLoader === "zipl" ? [run("zipl")] : [])];
  if (bootLoader === "zipl") return [editZiplConf(change), run("zipl")];
  return [writeFile(`/etc/default/grub.d/90-${change.name}.cfg`, grubConfig(change)), run("update-grub")];
}

function grubby({ add, remove }: Change): readonly ImageOp[] {
  return [
    ...(remove.length > 0 ? [run("grubby", "--update-kernel=ALL", `--remove-args=${remove.join(" ")}`)] : []),
    ...(add.length > 0 ? [run("grubby", "--update-kernel=ALL", `--args=${add.join(" ")}`)] : []),
  ];
}

/** update-grub sources this file after /etc/default/grub, so it is shell, and sees what is there already. */
function grubConfig(change: Change): string {
  return lines(
    ...dropFunction(change),
    `GRUB_CMDLINE_LINUX="$(kvci_drop "$GRUB_CMDLINE_LINUX")${appended(change)}"`,
    'GRUB_CMDLINE_LINUX_DEFAULT="$(kvci_drop "$GRUB_CMDLINE_LINUX_DEFAULT")"',
  );
}

function editLoaderEntries(change: Change): ImageOp {
  return shell(
    ...dropFunction(change),
    `for entry in ${ENTRIES}; do`,
    `  options=$(sed -n 's/^options[[:space:]]*//p' "$entry")`,
    `  sed '/^options[[:space:]]/d' "$entry" > "$entry.new"`,
    `  printf 'options %s\\n' "$(kvci_drop "$options")${appended(change)}" >> "$entry.new"`,
    `  mv "$entry.new" "$entry"`,
    "done",
  );
}

/** What kernel-install gives a kernel that comes later; without the file it would take the build's own command line. */
function editKernelCmdline(change: Change): ImageOp {
  return shell(
    ...dropFunction(change),
    `if [ -e ${KERNEL_CMDLINE} ]; then`,
    `  options=$(cat ${KERNEL_CMDLINE})`,
    "else",
    `  options=$(sed -n 's/^options[[:space:]]*//p' ${ENTRIES} | head -n 1)`,
    "fi",
    "mkdir -p /etc/kernel",
    `printf '%s\\n' "$(kvci_drop "$options")${appended(change)}" > ${KERNEL_CMDLINE}`,
  );
}

function editZiplConf(change: Change): ImageOp {
  return shell(
    ...dropFunction(change),
    "while IFS= read -r line; do",
    '  case "$line" in',
    `    '#'*) printf '%s\\n' "$line" ;;`,
    "    *parameters*=*)",
    `      options=$(printf '%s\\n' "$line" | sed 's/^[^=]*=[[:space:]]*//; s/"//g')`,
    `      printf 'parameters="%s"\\n' "$(kvci_drop "$options")${appended(change)}" ;;`,
    `    *) printf '%s\\n' "$line" ;;`,
    "  esac",
    "done < /etc/zipl.conf > /etc/zipl.conf.new",
    "mv /etc/zipl.conf.new /etc/zipl.conf",
  );
}

function appended({ add }: Change): string {
  return add.map((text) => ` ${text}`).join("");
}

/**
 * A shell function that prints a command line without the arguments to remove, and without those to add: they follow at
 * the end, so that a second run changes nothing.
 */
function dropFunction({ add, remove }: Change): readonly string[] {
  const removed = remove.flatMap((name) => (name.includes("=") ? [`'${name}'`] : [`'${name}'`, `'${name}='*`]));
  const patterns = [...removed, ...add.map((text) => `'${text}'`)];
  return [
    "kvci_drop() (",
    "  set -f",
    "  kept=",
    "  for argument in $1; do",
    `    case "$argument" in ${patterns.join(" | ")}) ;; *) kept="$kept $argument" ;; esac`,
    "  done",
    `  printf '%s\\n' "\${kept# }"`,
    ")",
  ];
}
