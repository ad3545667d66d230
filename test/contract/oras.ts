import { fileURLToPath } from "node:url";
import { silentJournal } from "../../src/core/journal.ts";
import { readOsRelease } from "../../src/host/distribution.ts";
import { findProgram } from "../../src/host/find-program.ts";
import { installPrograms } from "../../src/host/install-programs.ts";

/** Path of `oras`, installed the way `doctor --fix` does it where it is missing. */
export async function oras(signal: AbortSignal): Promise<string> {
  const toolsFolder = fileURLToPath(new URL("../../.kvci/tools/bin", import.meta.url));
  const host = {
    path: process.env["PATH"] ?? "",
    toolsFolder,
    osRelease: readOsRelease(),
    isRoot: process.getuid?.() === 0,
  };
  await installPrograms(["oras"], { ...host, signal, journal: silentJournal });
  return (await findProgram("oras", host)) ?? "oras";
}
