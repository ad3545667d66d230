import { spawn } from "node:child_process";
import { access, constants } from "node:fs/promises";
import type { Arch } from "../core/platform.ts";
import { messageOf } from "../core/error.ts";
import { cpuArguments } from "./argv.ts";
import type { Accelerator } from "./boot-request.ts";

/** Firmware that runs at all says its first word within some 50 ms under KVM; a second leaves room for a busy host. */
const FIRST_WORD_MS = 1_000;

const HOST_ARCH: Readonly<Record<string, Arch>> = { x64: "amd64", arm64: "arm64", s390x: "s390x" };

export interface AcceleratorRequest {
  readonly arch: Arch;
  readonly cpus: number;
  readonly memoryMiB: number;
  /** Firmware to start; only arm64 needs one, since its QEMU brings none. */
  readonly firmwareCode?: string | undefined;
}

/**
 * Chooses KVM when a guest really runs with it, else TCG, and says why. The device node proves nothing: there are hosts
 * where it opens and no guest runs. So the firmware is started with the very machine and CPU of the build and has to speak.
 */
export async function chooseAccelerator(
  program: string,
  request: AcceleratorRequest,
  signal: AbortSignal,
): Promise<Accelerator> {
  const host = HOST_ARCH[process.arch];
  if (host !== request.arch) return tcg(`the host is ${host ?? process.arch}, the guest ${request.arch}`);
  try {
    await access("/dev/kvm", constants.R_OK | constants.W_OK);
  } catch (error) {
    const denied = /EACCES|EPERM/.test(messageOf(error));
    return tcg(denied ? "/dev/kvm may not be opened: add the user to the group kvm" : "there is no /dev/kvm");
  }
  const failure = await probeKvm(program, request, signal);
  return failure === undefined ? { name: "kvm", reason: "firmware runs with KVM" } : tcg(failure);
}

function tcg(why: string): Accelerator {
  return { name: "tcg", reason: `${why}; emulating one CPU, which takes several times longer` };
}

/** Undefined when firmware speaks; else why not. */
async function probeKvm(
  program: string,
  request: AcceleratorRequest,
  signal: AbortSignal,
): Promise<string | undefined> {
  const child = spawn(program, [...cpuArguments(request, "kvm"), ...speakArguments(request)], {
    stdio: ["ignore", "pipe", "pipe"],
    signal,
  });
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  let complaint = "";
  child.stderr.on("data", (chunk: Buffer) => (complaint += chunk.toString("utf8").slice(0, 2000)));
  child.stdout.once("data", () => {
    resolve(undefined);
  });
  child.once("error", (error) => {
    resolve(error.message);
  });
  child.once("close", () => {
    const [line = ""] = complaint.trim().split("\n");
    // QEMU puts its own name before what it has to say.
    resolve(`QEMU refuses KVM: ${line.replace(/^\S*qemu\S*: (?:error: )?/, "") || "no word why"}`);
  });
  const timer = setTimeout(() => {
    resolve("/dev/kvm opens, but firmware does not run with it");
  }, FIRST_WORD_MS);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    child.kill("SIGKILL");
  }
}

/** SeaBIOS writes to the debug port 0x402; EDK2 for arm64 and the s390x loader write to the first console. */
function speakArguments({ arch, firmwareCode }: AcceleratorRequest): string[] {
  const quiet = ["-nodefaults", "-no-user-config", "-display", "none", "-chardev", "stdio,id=out"];
  if (arch === "amd64") return [...quiet, "-device", "isa-debugcon,iobase=0x402,chardev=out"];
  const firmware =
    firmwareCode === undefined ? [] : ["-drive", `if=pflash,format=raw,readonly=on,file=${firmwareCode}`];
  return [...quiet, "-serial", "chardev:out", ...firmware];
}
