import { shellQuote } from "../machine/shell-quote.ts";
import { DISK_NODE, type Accelerator, type BootRequest } from "./boot-request.ts";
import { FIXED_LAYOUT_ARGUMENT } from "./fixed-layout.ts";
import { HOT_DISK_BUS } from "./hot-disk.ts";
import { machineType } from "./machine-type.ts";

/** Files that QEMU is given beside the disk, already written. */
export interface MachineFiles {
  readonly firmware?: { readonly code: string; readonly vars: string } | undefined;
  readonly seed?: string | undefined;
  /** Files of system credentials by name. */
  readonly credentials: Readonly<Record<string, string>>;
}

/**
 * QEMU's arguments for a request, in a fixed order: equal input, equal argv. QMP speaks on standard input and output, which
 * needs no socket path (108 bytes at most) and closes with us.
 */
export function qemuArguments(request: BootRequest, accelerator: Accelerator["name"], files: MachineFiles): string[] {
  const type = machineType(request.arch);
  return [
    ...["-nodefaults", "-no-user-config", "-display", "none"],
    ...cpuArguments(request, accelerator),
    ...["-chardev", "stdio,id=qmp", "-mon", "chardev=qmp,mode=control"],
    ...["-chardev", `file,id=console,append=on,path=${optionValue(request.serialLog)}`, "-serial", "chardev:console"],
    ...firmwareArguments(files),
    ...kernelArguments(request, accelerator),
    ...diskArguments(request, files),
    // Port 0: the kernel picks a free one, which is then asked for over QMP; no race with another build.
    ...["-netdev", `user,id=net0${request.network === "isolated" ? ",restrict=on" : ""},hostfwd=tcp:127.0.0.1:0-:22`],
    ...["-device", `virtio-net-${type.bus},netdev=net0${type.bus === "pci" ? ",romfile=" : ""}`],
    ...["-device", `virtio-rng-${type.bus}`],
    // Pages that the guest frees go back to the host, so that saved memory holds what is used and little more.
    ...["-device", `virtio-balloon-${type.bus},free-page-reporting=on`],
    // A new generation id tells the kernel of a restored guest to seed its random numbers anew.
    ...(request.arch === "amd64" ? ["-device", "vmgenid,guid=auto"] : []),
    ...["-action", `reboot=${request.onRestart === "end" ? "shutdown" : "reset"}`],
    ...(request.memory === undefined ? [] : ["-incoming", `exec:zstd -dcq -- ${shellQuote(request.memory)}`]),
    // The standard VGA card is what a screenshot by QMP is taken of.
    ...(request.arch === "amd64" ? ["-device", "VGA"] : []),
    // For disks that come and go while the machine runs, which virtio-blk cannot do on every bus. The last of the devices, so
    // that the others keep their places on the bus.
    ...["-device", `virtio-scsi-${type.bus},id=${HOT_DISK_BUS}`],
    ...Object.entries(files.credentials).flatMap(([name, path]) => [
      "-fw_cfg",
      `name=opt/io.systemd.credentials/${name},file=${optionValue(path)}`,
    ]),
  ];
}

/**
 * Machine, accelerator and CPU: what the probe of the accelerator must share with the build.
 *
 * An emulated guest gets one CPU. QEMU emulates several in threads of their own, and one of them now and then runs code that
 * another has just patched (seen with QEMU 7.2: a soft lockup in netif_receive_skb_list_internal, for good, in about one boot of
 * ten); and on two cores one CPU boots and installs as fast as two (17.7 and 41.4 s against 17.3 and 44.9 s).
 */
export function cpuArguments(
  { arch, cpus, memoryMiB }: Pick<BootRequest, "arch" | "cpus" | "memoryMiB">,
  accelerator: Accelerator["name"],
): string[] {
  const type = machineType(arch);
  const [cpu, count] = accelerator === "kvm" ? ["host", cpus] : [type.emulatedCpu, 1];
  const memory = `${String(memoryMiB)}M`;
  return ["-machine", type.machine, "-accel", accelerator, "-cpu", cpu, "-smp", String(count), "-m", memory];
}

function firmwareArguments({ firmware }: MachineFiles): string[] {
  if (!firmware) return [];
  return [
    ...["-drive", `if=pflash,unit=0,format=raw,readonly=on,file=${optionValue(firmware.code)}`],
    ...["-drive", `if=pflash,unit=1,format=raw,file=${optionValue(firmware.vars)}`],
  ];
}

function kernelArguments({ directBoot, arch }: BootRequest, accelerator: Accelerator["name"]): string[] {
  if (!directBoot) return [];
  const layout = accelerator === "tcg" ? [FIXED_LAYOUT_ARGUMENT] : [];
  // The last console= is the one that /dev/console means, so the serial one comes last.
  const append = [directBoot.kernelArguments, ...layout, `console=${machineType(arch).console}`].join(" ");
  return ["-kernel", directBoot.kernel, "-initrd", directBoot.initrd, "-append", append];
}

/**
 * Nothing of a build's disk needs to survive a crash of the host, so no flush is ever waited for (`cache=unsafe`); blocks
 * that the guest frees or zeroes are given back, so the disk does not keep deleted data.
 */
function diskArguments(request: BootRequest, files: MachineFiles): string[] {
  const { bus } = machineType(request.arch);
  const options = "if=none,format=qcow2,cache=unsafe,discard=unmap,detect-zeroes=unmap";
  const disk = [
    "-drive",
    `id=disk0,node-name=${DISK_NODE},${options},file=${optionValue(request.disk)}`,
    "-device",
    `virtio-blk-${bus},drive=disk0,bootindex=1`,
  ];
  if (files.seed === undefined) return disk;
  const seed = `id=seed,if=none,format=raw,readonly=on,file=${optionValue(files.seed)}`;
  return [...disk, "-drive", seed, "-device", `virtio-blk-${bus},drive=seed`];
}

/** In QEMU's option lists a comma is doubled. */
function optionValue(text: string): string {
  return text.replaceAll(",", ",,");
}
