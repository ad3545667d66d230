import type { PackagesBase } from "../../src/core/base.ts";
import type { Base } from "../../src/core/disk-image.ts";
import type { Arch } from "../../src/core/platform.ts";

/** By the partition's label, so that it holds wherever the disk is attached. */
const ROOT_ARGUMENTS = "root=PARTLABEL=root rw";

/** The last console is /dev/console, where init and emergency shells speak: the serial line, which clouds record. */
const CONSOLES: Readonly<Record<Arch, string>> = {
  amd64: "console=tty0 console=ttyS0,115200n8",
  arm64: "console=tty0 console=ttyAMA0,115200n8",
  s390x: "console=ttysclp0",
};

/** Kernel arguments when the disk boots itself. */
export function kernelArguments(arch: Arch): string {
  return `${ROOT_ARGUMENTS} ${CONSOLES[arch]}`;
}

/**
 * Kernel arguments for a build that starts the kernel itself and gets in by credentials: no console, which the builder
 * adds, and no search for a cloud.
 */
export function directBootArguments(identity: Base["identity"]): string {
  return identity === "nocloud" ? ROOT_ARGUMENTS : `${ROOT_ARGUMENTS} cloud-init=disabled`;
}

/** The file of systemd-boot's package, and the name firmware looks for on a disk without boot variables. */
const LOADERS: Readonly<Partial<Record<Arch, { readonly source: string; readonly fallback: string }>>> = {
  amd64: { source: "systemd-bootx64.efi", fallback: "BOOTX64.EFI" },
  arm64: { source: "systemd-bootaa64.efi", fallback: "BOOTAA64.EFI" },
};

/** What goes onto the ESP: text, or a file of the exchange folder. */
export interface EspFile {
  readonly path: string;
  readonly content: { readonly text: string } | { readonly file: string };
}

/** Name of the loader's file in systemd-boot's package; undefined where there is no ESP. */
export function loaderFile(arch: Arch): string | undefined {
  return LOADERS[arch]?.source;
}

/**
 * The ESP's files, named the way kernel-install of the guest names them (layout "bls", the distribution as entry token), so
 * that a kernel update in the guest adds its entry beside ours and the removal of our kernel removes ours.
 */
export function espFiles(spec: PackagesBase, arch: Arch, kernelVersion: string): readonly EspFile[] {
  const loader = LOADERS[arch];
  if (!loader) return [];
  const folder = `${spec.distribution}/${kernelVersion}`;
  return [
    { path: `EFI/BOOT/${loader.fallback}`, content: { file: "loader.efi" } },
    // `bootctl is-installed`, which the package's kernel hooks ask, looks for this one.
    { path: `EFI/systemd/${loader.source}`, content: { file: "loader.efi" } },
    { path: `${folder}/linux`, content: { file: "vmlinuz" } },
    { path: `${folder}/initrd.img-${kernelVersion}`, content: { file: "initrd" } },
    { path: "loader/loader.conf", content: { text: "timeout 0\nconsole-mode keep\n" } },
    { path: "loader/entries.srel", content: { text: "type1\n" } },
    {
      path: `loader/entries/${spec.distribution}-${kernelVersion}.conf`,
      content: { text: loaderEntry(spec, arch, kernelVersion) },
    },
  ];
}

/** A type #1 entry of the Boot Loader Specification. */
export function loaderEntry(spec: PackagesBase, arch: Arch, kernelVersion: string): string {
  const folder = `/${spec.distribution}/${kernelVersion}`;
  return [
    `title      ${spec.distribution} ${spec.release}`,
    `version    ${kernelVersion}`,
    `sort-key   ${spec.distribution}`,
    `options    ${kernelArguments(arch)}`,
    `linux      ${folder}/linux`,
    `initrd     ${folder}/initrd.img-${kernelVersion}`,
    "",
  ].join("\n");
}

/** /etc/zipl.conf: what the guest's zipl writes its boot record from, with the links that kernel packages keep. */
export function ziplConf(spec: PackagesBase): string {
  return [
    "[defaultboot]",
    `default = ${spec.distribution}`,
    "",
    `[${spec.distribution}]`,
    "target = /boot",
    "image = /vmlinuz",
    "ramdisk = /initrd.img",
    `parameters = "${kernelArguments("s390x")}"`,
    "",
  ].join("\n");
}
