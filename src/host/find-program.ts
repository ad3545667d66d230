import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Arch } from "../core/platform.ts";
import { hostProgram, type Firmware, type HostProgram, type ProgramId } from "./programs.ts";

/** Where programs are looked for. */
export interface SearchEnv {
  /** The PATH of the caller. */
  readonly path: string;
  /** Folder of the programs that kvci-build fetched for itself, for example `.kvci/tools/bin`; need not exist. */
  readonly toolsFolder: string;
}

/** Users who are not root often lack these on their PATH; mke2fs, sfdisk and mkfs.vfat are there. */
const SYSTEM_FOLDERS = ["/usr/sbin", "/sbin"];

/** The folders programs are looked for in, first to last, as a PATH for the programs that are started. */
export function searchPath({ path, toolsFolder }: SearchEnv): string {
  const folders = [...path.split(":").filter((folder) => folder !== ""), toolsFolder, ...SYSTEM_FOLDERS];
  return [...new Set(folders)].join(":");
}

/** The absolute path of a host program (of firmware: of its code); undefined when it is not there. */
export async function findProgram(id: ProgramId, env: SearchEnv): Promise<string | undefined> {
  const { commands = [], firmware = [] } = hostProgram(id);
  for (const command of commands) {
    const found = await findCommand(command, env);
    if (found !== undefined) return found;
  }
  return (await findFirmware(firmware))?.code;
}

/** UEFI firmware for guests of that architecture; undefined when none is installed, and for s390x, which has its own. */
export async function firmware(arch: Arch): Promise<Firmware | undefined> {
  return arch === "s390x" ? undefined : findFirmware(firmwareOf(`firmware-${arch}`));
}

function firmwareOf(id: ProgramId): readonly Firmware[] {
  const program: HostProgram = hostProgram(id);
  return program.firmware ?? [];
}

async function findFirmware(candidates: readonly Firmware[]): Promise<Firmware | undefined> {
  for (const pair of candidates) {
    if ((await isFile(pair.code, constants.R_OK)) && (await isFile(pair.vars, constants.R_OK))) return pair;
  }
  return undefined;
}

/** The absolute path of any command; undefined when it is on none of the folders. */
export async function findCommand(command: string, env: SearchEnv): Promise<string | undefined> {
  const paths = command.startsWith("/")
    ? [command]
    : searchPath(env)
        .split(":")
        .map((folder) => join(folder, command));
  for (const path of paths) {
    if (await isFile(path, constants.X_OK)) return path;
  }
  return undefined;
}

async function isFile(path: string, mode: number): Promise<boolean> {
  try {
    await access(path, mode);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
