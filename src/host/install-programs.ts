import { KvciError } from "../core/error.ts";
import { packageManagerOf, type PackageManager } from "./distribution.ts";
import { findProgram, type SearchEnv } from "./find-program.ts";
import type { InstallOptions } from "./install-options.ts";
import { installOras } from "./oras.ts";
import { runProgram } from "./program.ts";
import { hostProgram, installCommand, installHintFor, packagesOf, type ProgramId } from "./programs.ts";

/** Milliseconds. QEMU and its firmware are 150 MB with what they need; a slow mirror gets its time. */
const INSTALL_TIMEOUT_MS = 30 * 60_000;
/** Held while packages are installed, so that two runs do not find each other's half. The kernel frees it if we die. */
const INSTALL_LOCK = "/run/kvci-build-install.lock";

/** Those of `ids` that are not on this host. */
export async function missingPrograms(ids: readonly ProgramId[], env: SearchEnv): Promise<readonly ProgramId[]> {
  const found = await Promise.all(ids.map((id) => findProgram(id, env)));
  return ids.filter((_, index) => found[index] === undefined);
}

/**
 * Installs host programs that are missing: packages by apt or dnf, which takes root, and oras by whatever works.
 *
 * @throws {KvciError} `program-missing` with the exact command when not root or when the distribution is not known;
 *   `program-failed` with the package manager's last lines.
 */
export async function installPrograms(ids: readonly ProgramId[], options: InstallOptions): Promise<void> {
  const missing = await missingPrograms(ids, options);
  const packaged = missing.filter((id) => id !== "oras");
  if (packaged.length > 0) await installPackages(packaged, options);
  if (missing.includes("oras")) await installOras({ run: runProgram, ...options });
  const still = await missingPrograms(missing, options);
  if (still.length > 0) throw missingError(still, options.osRelease, "were installed, yet cannot be found");
}

/**
 * Makes sure that host programs are there before anything is begun that uses them.
 *
 * @param options.install installs what is missing where that can be done; otherwise, and where it cannot, it is an error.
 * @throws {KvciError} as `installPrograms`.
 */
export async function requirePrograms(
  ids: readonly ProgramId[],
  options: InstallOptions & { readonly install: boolean },
): Promise<void> {
  const missing = await missingPrograms(ids, options);
  if (missing.length === 0) return;
  if (!options.install) throw missingError(missing, options.osRelease);
  await options.journal.span({ name: `install ${missing.join(", ")}`, kind: "phase" }, (journal) =>
    installPrograms(missing, { ...options, journal }),
  );
}

async function installPackages(ids: readonly ProgramId[], options: InstallOptions): Promise<void> {
  const manager = packageManagerOf(options.osRelease);
  if (!manager || !options.isRoot) throw missingError(ids, options.osRelease);
  const install = installCommand(manager, packagesOf(ids, manager));
  try {
    await underLock(install, options);
  } catch (error) {
    // A fresh machine has no package lists, an old one has lists of packages that were replaced since.
    if (!(error instanceof KvciError) || error.code !== "program-failed") throw error;
    await underLock(refreshCommand(manager), options);
    await underLock(install, options);
  }
}

function refreshCommand(manager: PackageManager): readonly [string, ...string[]] {
  return manager === "apt" ? ["apt-get", "update"] : ["dnf", "makecache", "--refresh"];
}

async function underLock(argv: readonly string[], options: InstallOptions): Promise<void> {
  const run = options.run ?? runProgram;
  // -o: a service that a package starts must not keep the lock.
  await run(["flock", "-o", "-w", String(INSTALL_TIMEOUT_MS / 1000), INSTALL_LOCK, ...argv], {
    signal: options.signal,
    journal: options.journal,
    timeoutMs: INSTALL_TIMEOUT_MS,
    env: { DEBIAN_FRONTEND: "noninteractive", NEEDRESTART_MODE: "l" },
  });
}

function missingError(ids: readonly ProgramId[], osRelease: string, what = "are needed and not installed"): KvciError {
  const names = ids.map((id) => hostProgram(id).commands?.[0] ?? "UEFI firmware");
  return new KvciError("program-missing", `${names.join(", ")} ${names.length === 1 ? singular(what) : what}`, {
    hint: installHintFor(ids, osRelease),
  });
}

function singular(what: string): string {
  return what.replace(/^are /, "is ").replace(/^were /, "was ");
}
