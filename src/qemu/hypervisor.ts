import { copyFile, open, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Digest } from "../core/digest.ts";
import type { Journal } from "../core/journal.ts";
import type { Arch } from "../core/platform.ts";
import { chooseAccelerator } from "./accelerator.ts";
import { qemuArguments, type MachineFiles } from "./argv.ts";
import type { Accelerator, BootRequest, HostHypervisor, MachineShape, VirtualMachine } from "./boot-request.ts";
import { withFixedLayout } from "./fixed-layout.ts";
import { machineFingerprint } from "./fingerprint.ts";
import { startQemu } from "./qemu-process.ts";

/** UEFI firmware of the host: the code, and the template of the variables that each machine gets a copy of. */
export interface Firmware {
  readonly code: string;
  readonly vars: string;
}

export interface HypervisorPorts {
  /** Where the host keeps UEFI firmware. @throws {KvciError} `program-missing` */
  readonly firmware: (arch: Arch) => Promise<Firmware>;
  /** The QEMU that emulates guests of an architecture. @throws {KvciError} `program-missing` */
  readonly program: (arch: Arch) => Promise<string>;
  /** Tests force one; else the best that works is chosen, once per kind of machine. */
  readonly accelerator?: Accelerator | undefined;
}

/** Boots machines with QEMU on this host. */
export function qemuHypervisor(ports: HypervisorPorts): HostHypervisor {
  const chosen = new Map<string, Promise<Accelerator>>();
  const accelerator = (request: AcceleratedShape): Promise<Accelerator> => {
    if (ports.accelerator) return Promise.resolve(ports.accelerator);
    const kind = `${request.arch} ${String(request.cpus)} ${String(request.memoryMiB)}`;
    const known = chosen.get(kind) ?? choose(request, ports);
    chosen.set(kind, known);
    return known;
  };
  return {
    async fingerprint(shape: MachineShape, signal: AbortSignal): Promise<Digest> {
      const { name } = await accelerator({ ...shape, signal });
      const needsFirmware = !shape.directBoot && shape.firmware === "uefi" && shape.arch !== "s390x";
      const firmwareCode = needsFirmware ? (await ports.firmware(shape.arch)).code : undefined;
      return machineFingerprint(
        { program: await ports.program(shape.arch), shape, accelerator: name, firmwareCode },
        signal,
      );
    },
    async boot(request: BootRequest, journal: Journal): Promise<VirtualMachine> {
      const choice = await accelerator(request);
      journal.emit({ type: "accelerator-chosen", accelerator: choice.name, reason: choice.reason });
      const files = await writeMachineFiles(withFixedLayout(request, choice.name), ports);
      const consoleStart = await touch(request.serialLog);
      const argv = [await ports.program(request.arch), ...qemuArguments(request, choice.name, files)] as const;
      return startQemu({ request, argv, accelerator: choice, consoleStart }, journal);
    },
  };
}

type AcceleratedShape = Pick<BootRequest, "arch" | "cpus" | "memoryMiB" | "signal">;

async function choose(request: AcceleratedShape, ports: HypervisorPorts): Promise<Accelerator> {
  const { arch, cpus, memoryMiB, signal } = request;
  const firmwareCode = arch === "arm64" ? (await ports.firmware(arch)).code : undefined;
  return chooseAccelerator(await ports.program(arch), { arch, cpus, memoryMiB, firmwareCode }, signal);
}

async function writeMachineFiles(request: BootRequest, ports: HypervisorPorts): Promise<MachineFiles> {
  const credentials: Record<string, string> = {};
  for (const [name, content] of Object.entries(request.credentials ?? {})) {
    credentials[name] = join(request.workDir, `credential-${name}`);
    await writeFile(credentials[name], content, { mode: 0o600 });
  }
  const seed = request.seed === undefined ? undefined : join(request.workDir, "seed.iso");
  if (seed !== undefined) await writeFile(seed, request.seed ?? "", { mode: 0o600 });
  return { credentials, seed, firmware: await ownFirmware(request, ports) };
}

/** s390x and BIOS machines bring their firmware with QEMU; a direct boot needs none. */
async function ownFirmware(request: BootRequest, ports: HypervisorPorts): Promise<Firmware | undefined> {
  if (request.directBoot || request.firmware === "bios" || request.arch === "s390x") return undefined;
  const { code, vars } = await ports.firmware(request.arch);
  const own = firmwareVarsOf(request.workDir);
  const from = request.firmwareVars ?? vars;
  // A machine that is started anew goes on with the variables it has.
  if (from !== own) await copyFile(from, own);
  return { code, vars: own };
}

/** Where a machine that boots by firmware has its variables, in its folder. */
export function firmwareVarsOf(workDir: string): string {
  return join(workDir, "firmware-vars.fd");
}

/** Makes the log if need be; returns its size, which is where this boot's console starts. */
async function touch(path: string): Promise<number> {
  const file = await open(path, "a");
  await file.close();
  return (await stat(path)).size;
}
