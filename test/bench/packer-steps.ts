import type { DirectBoot } from "../../src/core/disk-image.ts";
import type { Arch } from "../../src/core/platform.ts";
import { cpuArguments } from "../../src/qemu/argv.ts";
import type { Accelerator } from "../../src/qemu/boot-request.ts";
import { machineType } from "../../src/qemu/machine-type.ts";

/** The machine that both build in. An emulated guest gets one CPU on both sides: see `cpuArguments`. */
export const MACHINE = { memoryMiB: 2048, cpus: 2 } as const;
const DISK_GIB = 3;
/** Name of the step that the bench changes. */
export const LAST_STEP = "mark";

export interface BenchStep {
  readonly name: string;
  /** For `sh -ec`. */
  readonly script: string;
}

/** One real step and two trivial ones. What is installed does not depend on `marks`: each of them only changes a step's text. */
export function benchSteps(marks: { readonly template: string; readonly last: string }): readonly BenchStep[] {
  const install = [
    `# ${marks.template}`,
    "export DEBIAN_FRONTEND=noninteractive",
    "apt-get update -q",
    "apt-get install -q -y --no-install-recommends containerd runc",
  ];
  return [
    { name: "install", script: install.join("\n") },
    { name: "forward", script: "echo net.ipv4.ip_forward = 1 > /etc/sysctl.d/90-bench.conf" },
    { name: LAST_STEP, script: `echo ${marks.last} > /etc/bench-mark` },
  ];
}

/** A kvci-build template of these steps. */
export function ourTemplate(name: string, steps: readonly BenchStep[]): string {
  const list = steps.map((step) => {
    const op = `run("sh", "-ec", ${JSON.stringify(step.script)})`;
    return `    defineStep(${JSON.stringify(step.name)}, [${op}]),\n`;
  });
  return `import { defineStep, defineTemplate, packages, run } from "kvci-build";
export default defineTemplate({
  name: ${JSON.stringify(name)},
  arches: ["amd64", "arm64"],
  base: packages({ distribution: "debian", release: "12" }),
  disk: { sizeGiB: ${String(DISK_GIB)} },
  machine: ${JSON.stringify(MACHINE)},
  steps: [
${list.join("")}  ],
});
`;
}

export interface PackerMachine {
  readonly arch: Arch;
  readonly accelerator: Accelerator["name"];
  /** Absolute path of QEMU. */
  readonly qemu: string;
  /** The base's disk, and kernel and initrd to start it with. */
  readonly disk: string;
  readonly directBoot: DirectBoot;
  /** Files of the way in: a private key in OpenSSH's format, and the systemd credential that makes the guest accept it. */
  readonly privateKey: string;
  readonly credential: string;
}

/** What kvci-build does to a base before the first step, and Packer must be told to. */
const GROW_ROOT = "growpart /dev/vda 2 || [ $? -eq 1 ]; resize2fs /dev/vda2";

/**
 * A Packer template (JSON, which 1.6 and later read) that runs the same steps on the same disk with the same machine, kernel
 * and way in; what shapes the output is left at Packer's defaults.
 */
export function packerTemplate(machine: PackerMachine, steps: readonly BenchStep[], output: string): string {
  const builder = {
    type: "qemu",
    ...{ qemu_binary: machine.qemu, qemuargs: machineArguments(machine), accelerator: "none", headless: true },
    ...{ iso_url: machine.disk, iso_checksum: "none", disk_image: true, disk_size: `${String(DISK_GIB * 1024)}M` },
    ...{ disk_interface: "virtio", net_device: "virtio-net", disk_cache: "unsafe", format: "qcow2" },
    ...{ output_directory: output, vm_name: "disk.qcow2" },
    // Negative is "not at all"; nothing is typed at the console.
    boot_wait: "-1s",
    ...{ communicator: "ssh", ssh_username: "root", ssh_private_key_file: machine.privateKey, ssh_timeout: "15m" },
    shutdown_command: "systemctl poweroff",
  };
  const provisioners = steps.map(({ script }, index) => ({
    type: "shell",
    inline: index === 0 ? [GROW_ROOT, script] : [script],
  }));
  return `${JSON.stringify({ builders: [builder], provisioners }, null, 2)}\n`;
}

/** QEMU's arguments as Packer takes them: one list per option; they stand in for its own. */
function machineArguments(machine: PackerMachine): string[][] {
  const { directBoot } = machine;
  const cpu = cpuArguments({ ...MACHINE, arch: machine.arch }, machine.accelerator);
  return [
    ...pairs(cpu),
    ["-kernel", directBoot.kernel],
    ["-initrd", directBoot.initrd],
    ["-append", `${directBoot.kernelArguments} console=${machineType(machine.arch).console}`],
    ["-fw_cfg", `name=opt/io.systemd.credentials/tmpfiles.extra,file=${machine.credential}`],
  ];
}

/** Options that each have one value. */
function pairs(argv: readonly string[]): string[][] {
  return argv.flatMap((option, index) => (index % 2 === 0 ? [[option, argv[index + 1] ?? ""]] : []));
}
