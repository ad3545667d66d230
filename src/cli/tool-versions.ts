import type { Arch } from "../core/platform.ts";
import { parseVersion } from "../host/program-version.ts";
import { programOutput } from "../host/program-output.ts";
import { findProgram } from "../host/find-program.ts";
import { hostProgram, programsFor } from "../host/programs.ts";
import type { Session } from "./session.ts";
import { version } from "./version.ts";

const VERSION_MS = 30_000;

/** Versions of kvci-build, Node and the host programs that a build uses, for its record. */
export async function toolVersions(
  { app, signal }: Session,
  arch: Arch,
): Promise<Record<string, string> & { "kvci-build": string }> {
  const known = programsFor(["build", "packages-base"], arch).map(async (id) => {
    const path = await findProgram(id, app.search);
    const asked = hostProgram(id).version;
    if (path === undefined || asked === undefined) return [];
    const output = await programOutput([path, ...asked.args], { signal, timeoutMs: VERSION_MS }).catch(() => "");
    return [[id, parseVersion(output, asked) ?? "unknown"] as const];
  });
  return {
    "kvci-build": version(),
    node: process.versions.node,
    ...Object.fromEntries((await Promise.all(known)).flat()),
  };
}
