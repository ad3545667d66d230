import { join } from "node:path";
import { KvciError } from "../../src/core/error.ts";
import { silentJournal } from "../../src/core/journal.ts";
import type { Arch } from "../../src/core/platform.ts";
import { packageManagerOf, readOsRelease } from "../../src/host/distribution.ts";
import { findCommand, findProgram, searchPath, type SearchEnv } from "../../src/host/find-program.ts";
import { requirePrograms } from "../../src/host/install-programs.ts";
import { runProgram } from "../../src/host/program.ts";
import { installCommand, programsFor } from "../../src/host/programs.ts";
import { chooseAccelerator } from "../../src/qemu/accelerator.ts";
import type { Accelerator } from "../../src/qemu/boot-request.ts";
import { MACHINE } from "./packer-steps.ts";

const ROOT = join(import.meta.dirname, "../..");
const INSTALL_MS = 10 * 60_000;
const VERSION_MS = 30_000;

/** What the bench runs with. */
export interface BenchHost {
  readonly arch: Arch;
  readonly accelerator: Accelerator;
  /** Absolute paths. */
  readonly qemu: string;
  readonly packer: string;
  /** PATH of what is started. */
  readonly path: string;
  /** "Packer 1.6.6" and the like, for the report. */
  readonly versions: readonly string[];
}

/**
 * Finds what both sides need, and installs it where that can be done.
 *
 * @throws {KvciError} `program-missing` with what to install.
 */
export async function prepareHost(signal: AbortSignal): Promise<BenchHost> {
  const search: SearchEnv = { path: process.env["PATH"] ?? "", toolsFolder: join(ROOT, ".kvci/tools/bin") };
  const arch: Arch = process.arch === "arm64" ? "arm64" : "amd64";
  const isRoot = process.getuid?.() === 0;
  await requirePrograms(programsFor(["build", "packages-base"], arch), {
    ...search,
    ...{ install: true, signal, journal: silentJournal, osRelease: readOsRelease(), isRoot },
  });
  const packer = (await findCommand("packer", search)) ?? (await installPacker(search, { signal, isRoot }));
  const qemu = await findProgram(`qemu-${arch}`, search);
  if (qemu === undefined) throw missing("QEMU", "Run `kvci-build doctor`.");
  const accelerator = await chooseAccelerator(qemu, { arch, ...MACHINE }, signal);
  const versions = [
    `Packer ${await versionOf([packer, "version"], signal)}`,
    `QEMU ${await versionOf([qemu, "--version"], signal)}`,
    `Node ${process.versions.node}`,
  ];
  return { arch, accelerator, qemu, packer, path: searchPath(search), versions };
}

/** Packer is needed for nothing but this, so it is no program of the table in `src/host/programs.ts`. */
async function installPacker(
  search: SearchEnv,
  { signal, isRoot }: { readonly signal: AbortSignal; readonly isRoot: boolean },
): Promise<string> {
  const install = installCommand("apt", ["packer"]);
  const hint = `Install Packer and run the bench again; on Debian 12: \`sudo ${install.join(" ")}\`.`;
  if (!isRoot || packageManagerOf(readOsRelease()) !== "apt") throw missing("Packer", hint);
  process.stdout.write("installing packer\n");
  const options = { signal, timeoutMs: INSTALL_MS, env: { DEBIAN_FRONTEND: "noninteractive" } };
  try {
    await runProgram(install, options);
  } catch {
    // A fresh machine has no package lists; when it is not that, the second try says what it is.
    await runProgram(["apt-get", "update"], options);
    await runProgram(install, options);
  }
  const found = await findCommand("packer", search);
  if (found === undefined) throw missing("Packer", hint);
  return found;
}

async function versionOf(argv: readonly [string, ...string[]], signal: AbortSignal): Promise<string> {
  const text = await runProgram(argv, { signal, timeoutMs: VERSION_MS, env: { CHECKPOINT_DISABLE: "1" } });
  return /\d+(?:\.\d+)+/.exec(text)?.[0] ?? "of unknown version";
}

function missing(what: string, hint: string): KvciError {
  return new KvciError("program-missing", `${what} is needed to compare with and is not installed`, { hint });
}
