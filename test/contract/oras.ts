import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { KvciError } from "../../src/core/error.ts";
import { runProgram } from "../../src/host/program.ts";

const TOOLS = fileURLToPath(new URL("../../.kvci/tools/", import.meta.url));
/** Stable Debian has no oras; a deb of this release needs nothing but libc. */
const RELEASE = "sid";
const UPDATE_TIMEOUT_MS = 180_000;

/**
 * Path of `oras`: that of PATH, or one taken from Debian's package into `.kvci/tools/oras`, where it stays. apt fetches
 * and verifies the package from the mirror the system uses already, with state of its own: the system's is not touched.
 *
 * @throws {KvciError} `program-missing` where there is neither.
 */
export async function oras(signal: AbortSignal): Promise<string> {
  const wanted = [...(process.env["PATH"] ?? "").split(delimiter), join(TOOLS, "oras", "usr", "bin")];
  for (const folder of wanted) {
    const path = join(folder, "oras");
    if (folder !== "" && (await isFile(path))) return path;
  }
  await mkdir(TOOLS, { recursive: true });
  const work = await mkdtemp(join(TOOLS, "oras-"));
  try {
    await unpackDeb(work, signal);
    const final = join(TOOLS, "oras");
    await rename(join(work, "oras"), final).catch(async (error: unknown) => {
      // Somebody else may have been faster; what is there is whole, because it was renamed as well.
      if (!(await isFile(join(final, "usr", "bin", "oras")))) throw error;
    });
    return join(final, "usr", "bin", "oras");
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function unpackDeb(work: string, signal: AbortSignal): Promise<void> {
  const options = { signal, timeoutMs: UPDATE_TIMEOUT_MS, cwd: work };
  const { site, signedBy } = await debianMirror(options);
  const keyring = signedBy === "" ? "" : `[signed-by=${signedBy}] `;
  await writeFile(join(work, "sources.list"), `deb ${keyring}${site} ${RELEASE} main\n`);
  for (const folder of ["lists/partial", "cache/archives/partial"]) {
    await mkdir(join(work, folder), { recursive: true });
  }
  await runProgram(["apt-get", ...privateApt(work), "update"], options);
  await runProgram(["apt-get", ...privateApt(work), "download", "oras"], options);
  const deb = (await readdir(work)).find((name) => name.endsWith(".deb"));
  if (deb === undefined) throw noMirror();
  await runProgram(["dpkg-deb", "-x", deb, "oras"], options);
}

function privateApt(work: string): string[] {
  const settings = {
    "Dir::Etc::sourcelist": join(work, "sources.list"),
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::State": work,
    "Dir::State::status": "/var/lib/dpkg/status",
    "Dir::Cache": join(work, "cache"),
    "APT::Sandbox::User": "root",
    "Acquire::Languages": "none",
  };
  return Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
}

/** The main archive of the system's own sources. */
async function debianMirror(
  options: Parameters<typeof runProgram>[1],
): Promise<{ readonly site: string; readonly signedBy: string }> {
  const format = "$(LABEL)|$(SITE)|$(SIGNED_BY)";
  const targets = await runProgram(["apt-get", "indextargets", "--format", format, "Created-By: Packages"], options);
  for (const line of targets.split("\n")) {
    const [label, site, signedBy = ""] = line.split("|");
    // A key given inline would take many lines; then the system's own trust decides.
    if (label === "Debian" && site) return { site, signedBy: signedBy.startsWith("/") ? signedBy : "" };
  }
  throw noMirror();
}

function noMirror(): KvciError {
  return new KvciError("program-missing", "oras is not on PATH, and apt knows no Debian archive to get it from", {
    hint: "Run `apt-get update` on Debian, or install oras yourself.",
  });
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
