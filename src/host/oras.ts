import { access, constants, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KvciError, messageOf } from "../core/error.ts";
import { isDebian, packageManagerOf } from "./distribution.ts";
import { findCommand } from "./find-program.ts";
import type { InstallOptions } from "./install-options.ts";
import type { ProgramOptions, runProgram } from "./program.ts";
import { installCommand } from "./programs.ts";

type OrasOptions = InstallOptions & { readonly run: typeof runProgram };
/** One way to get oras. @returns why it did not end in a program, when it did not. */
type Way = (options: OrasOptions) => Promise<string | undefined>;

/** Verified by Go's checksum database. */
const GO_PACKAGE = "oras.land/oras/cmd/oras@v1.3.1";
const TIMEOUT_MS = 15 * 60_000;

/**
 * Gets oras by the first way that ends in a program that answers: the distribution's package (root only), Debian 13's
 * package unpacked into the tools folder, Go's own installer into the same folder.
 *
 * @throws {KvciError} `program-missing` with why each way failed.
 */
export async function installOras(options: OrasOptions): Promise<void> {
  const failures: string[] = [];
  for (const way of [fromPackageManager, fromDebianTrixie, fromGo]) {
    const failure = await tried(way, options);
    if (failure === undefined) return;
    failures.push(failure);
  }
  throw new KvciError("program-missing", "oras is not installed and could not be fetched", {
    hint: "Install oras 1.2 or newer and put it on the PATH, or install Go and run `kvci-build doctor --fix`.",
    evidence: failures,
  });
}

async function tried(way: Way, options: OrasOptions): Promise<string | undefined> {
  try {
    const failure = await way(options);
    if (failure !== undefined) return failure;
    const found = await findCommand("oras", options);
    if (found === undefined) return "it was installed, yet there is no oras";
    await options.run([found, "version"], runOptions(options, 30_000));
    return undefined;
  } catch (error) {
    if (options.signal.aborted) throw error;
    return reasonOf(error);
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof KvciError)) return messageOf(error);
  // apt and go put the reason among lines about what they do.
  const reason = error.evidence.findLast((line) => /^E:|error|fatal/i.test(line)) ?? error.evidence.at(-1);
  return reason === undefined ? error.message : `${error.message}: ${reason.trim()}`;
}

const fromPackageManager: Way = async (options) => {
  const manager = packageManagerOf(options.osRelease);
  if (!manager || !options.isRoot) return "the distribution's package takes root, and apt or dnf";
  await options.run(installCommand(manager, ["oras"]), runOptions(options));
  return undefined;
};

/**
 * Debian has oras since release 13. Unlike the development release's, the lists of a stable one do not expire, so an older
 * mirror will do; the program is linked statically. apt fetches it with lists and a cache of its own, from the mirror the
 * system uses, and checks it by the system's own keys; the system's sources stay as they are.
 */
const fromDebianTrixie: Way = async (options) => {
  if (!isDebian(options.osRelease)) return "Debian's package is for Debian";
  const mirror = await debianMirror(options);
  if (mirror === undefined) return "apt's own sources name no mirror of Debian; run apt-get update";
  return inTemporaryFolder(options, async (folder) => {
    const apt = await privateApt(folder, mirror);
    await options.run([...apt, "update"], runOptions(options));
    await options.run([...apt, "download", "oras"], { ...runOptions(options), cwd: folder });
    const file = (await readdir(folder)).find((name) => name.endsWith(".deb"));
    if (file === undefined) return "apt-get download left no package";
    await options.run(["dpkg-deb", "-x", join(folder, file), join(folder, "unpacked")], runOptions(options));
    await rename(join(folder, "unpacked/usr/bin/oras"), join(options.toolsFolder, "oras"));
    return undefined;
  });
};

const fromGo: Way = async (options) => {
  const go = await findCommand("go", { ...options, path: `${options.path}:/usr/local/go/bin` });
  if (go === undefined) return "Go is not installed";
  return inTemporaryFolder(options, async (folder) => {
    const env = { GOBIN: folder, CGO_ENABLED: "0" };
    await options.run([go, "install", GO_PACKAGE], { ...runOptions(options), env });
    await rename(join(folder, "oras"), join(options.toolsFolder, "oras"));
    return undefined;
  });
};

/** The mirror of Debian's main archive that the system itself uses. apt tells only what it has lists of. */
async function debianMirror(options: OrasOptions): Promise<string | undefined> {
  const known = await mainArchive(options);
  if (known !== undefined || !options.isRoot) return known;
  await options.run(["apt-get", "update"], runOptions(options));
  return mainArchive(options);
}

async function mainArchive(options: OrasOptions): Promise<string | undefined> {
  const format = "$(CREATED_BY)|$(ORIGIN)|$(LABEL)|$(REPO_URI)";
  const targets = await options.run(["apt-get", "indextargets", "--format", format], runOptions(options, 30_000));
  return /^Packages\|Debian\|Debian\|(\S+)$/m.exec(targets)?.[1];
}

async function privateApt(folder: string, mirror: string): Promise<readonly [string, ...string[]]> {
  const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
  const hasKeyring = await access(keyring, constants.R_OK).then(
    () => true,
    () => false,
  );
  const list = join(folder, "sources.list");
  await writeFile(list, `deb ${hasKeyring ? `[signed-by=${keyring}] ` : ""}${mirror} trixie main\n`);
  await mkdir(join(folder, "lists/partial"), { recursive: true });
  await mkdir(join(folder, "archives/partial"), { recursive: true });
  const settings = [
    `Dir::Etc::sourcelist=${list}`,
    "Dir::Etc::sourceparts=/dev/null",
    "Dir::Etc::preferencesparts=/dev/null",
    `Dir::State=${folder}`,
    // Read only: what is installed does not matter for a download, yet apt wants to know.
    "Dir::State::status=/var/lib/dpkg/status",
    `Dir::Cache=${folder}`,
    "Acquire::Languages=none",
    // The folder belongs to us; apt's own user may not enter it.
    "APT::Sandbox::User=root",
  ];
  return ["apt-get", ...settings.flatMap((setting) => ["-o", setting])];
}

/** Beside the tools, so that a rename ends in place; dot-named, so that a leftover is never on the search path. */
async function inTemporaryFolder<T>({ toolsFolder }: OrasOptions, work: (folder: string) => Promise<T>): Promise<T> {
  await mkdir(toolsFolder, { recursive: true });
  const folder = await mkdtemp(join(toolsFolder, ".fetch-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function runOptions({ signal, journal }: OrasOptions, timeoutMs = TIMEOUT_MS): ProgramOptions {
  return { signal, journal, timeoutMs, env: { DEBIAN_FRONTEND: "noninteractive" } };
}
