import { KvciError } from "../core/error.ts";
import type { Arch } from "../core/platform.ts";
import { findProgram, firmware, type SearchEnv } from "../host/find-program.ts";
import { readOsRelease } from "../host/distribution.ts";
import { installHintFor, type ProgramId } from "../host/programs.ts";
import type { HostHypervisor } from "../qemu/boot-request.ts";
import { qemuHypervisor } from "../qemu/hypervisor.ts";

/** QEMU and firmware as this host has them. */
export function hostHypervisor(search: SearchEnv): HostHypervisor {
  return qemuHypervisor({
    program: (arch) => hostQemu(arch, search),
    firmware: async (arch) => (await firmware(arch)) ?? missing(arch === "arm64" ? "firmware-arm64" : "firmware-amd64"),
  });
}

/** @throws {KvciError} `program-missing` */
export async function hostQemu(arch: Arch, search: SearchEnv): Promise<string> {
  return (await findProgram(`qemu-${arch}`, search)) ?? missing(`qemu-${arch}`);
}

function missing(id: ProgramId): never {
  throw new KvciError("program-missing", `${id} is not installed`, { hint: installHintFor([id], readOsRelease()) });
}
