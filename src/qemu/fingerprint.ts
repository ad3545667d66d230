import { readFile, stat } from "node:fs/promises";
import { digestOfValue, type Digest } from "../core/digest.ts";
import { programOutput } from "../host/program-output.ts";
import { qemuArguments } from "./argv.ts";
import type { Accelerator, MachineShape } from "./boot-request.ts";

const VERSION_MS = 30_000;
/** What the kernel calls a processor, per architecture; clock rates and the like change by the second and are left out. */
const CPU_LINES =
  /^(?:model name|flags|Features|CPU implementer|CPU part|CPU variant|vendor_id|processor \d+|features)\s*:.*$/gm;

export interface Fingerprinted {
  /** Absolute path of the QEMU program. */
  readonly program: string;
  readonly shape: MachineShape;
  readonly accelerator: Accelerator["name"];
  readonly firmwareCode: string | undefined;
  /** What the host says of its processors, in the words of /proc/cpuinfo; asked of the host unless given. */
  readonly cpuInfo?: string | undefined;
}

/** Digest of all that memory saved by a machine depends on, the files it is given aside. */
export async function machineFingerprint(
  { program, shape, accelerator, firmwareCode, cpuInfo }: Fingerprinted,
  signal: AbortSignal,
): Promise<Digest> {
  return digestOfValue({
    qemu: await programOutput([program, "--version"], { signal, timeoutMs: VERSION_MS }),
    program: await fileFacts(program),
    firmware: firmwareCode === undefined ? "none" : await fileFacts(firmwareCode),
    accelerator,
    cpu: cpuLines(cpuInfo ?? (await hostCpuInfo())),
    arguments: argumentsOf(shape, accelerator),
  });
}

/** The arguments with names in the place of files: their paths differ from build to build and mean nothing. */
function argumentsOf(shape: MachineShape, accelerator: Accelerator["name"]): string[] {
  const { seeded, ...rest } = shape;
  const { directBoot } = shape;
  const request = {
    ...rest,
    directBoot: directBoot && { ...directBoot, kernel: "kernel", initrd: "initrd" },
    disk: "disk",
    serialLog: "serial",
    workDir: "work",
    signal: new AbortController().signal,
  };
  const firmware = directBoot ? undefined : { code: "code", vars: "vars" };
  return qemuArguments(request, accelerator, { firmware, seed: seeded ? "seed" : undefined, credentials: {} });
}

async function fileFacts(path: string): Promise<object> {
  const { size, mtimeMs } = await stat(path);
  return { size, modified: Math.floor(mtimeMs) };
}

function hostCpuInfo(): Promise<string> {
  return readFile("/proc/cpuinfo", "utf8").catch(() => "");
}

function cpuLines(text: string): string[] {
  return [...new Set(text.match(CPU_LINES) ?? [])].sort();
}
