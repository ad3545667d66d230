/**
 * Programs of other people that our tests ask for a second opinion. They come by the ordinary clients of Go and Python, in the versions
 * that are named here, into a folder that is kept, and only when `npm run test:peers` asks for them.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { exists } from "../../src/host/exists.ts";
import { runProgram } from "../../src/host/program.ts";

/** Building fake-gcs-server from nothing takes minutes on two cores. */
export const INSTALL_MS = 20 * 60_000;

const FOLDER = join(import.meta.dirname, "../../.kvci/peers");
const CRANE = "github.com/google/go-containerregistry/cmd/crane@v0.22.1";
const FAKE_GCS_SERVER = "github.com/fsouza/fake-gcs-server@v1.56.1";
const MOTO = "moto[server]==5.2.5";

const OPTIONS = { signal: new AbortController().signal, timeoutMs: INSTALL_MS };

/** Google's client of registries. @returns its path. */
export function crane(): Promise<string> {
  return installed("crane-0.22.1", (folder) => goInstall(CRANE, folder), "crane");
}

/** Cloud Storage in a process. @returns its path. */
export function fakeGcsServer(): Promise<string> {
  return installed("fake-gcs-server-1.56.1", (folder) => goInstall(FAKE_GCS_SERVER, folder), "fake-gcs-server");
}

/** A registry with the referrers API, built from `test/peers/referrers-registry`. @returns its path. */
export function referrersRegistry(): Promise<string> {
  const build = async (folder: string): Promise<void> => {
    const cwd = join(import.meta.dirname, "referrers-registry");
    await runProgram(["go", "build", "-o", join(folder, "referrers-registry"), "."], { ...OPTIONS, cwd });
  };
  return installed("referrers-registry-20251212", build, "referrers-registry");
}

/** moto's server and boto3. @returns the `bin` folder of their environment. */
export async function moto(): Promise<string> {
  return dirname(await installed("moto-5.2.5", installMoto, "bin/moto_server"));
}

/** An environment knows its own path, so it is made where it stays. */
async function installMoto(folder: string): Promise<void> {
  await runProgram(["python3", "-m", "venv", folder], OPTIONS);
  await runProgram([join(folder, "bin/pip"), "install", "--quiet", "--disable-pip-version-check", MOTO], OPTIONS);
}

async function goInstall(what: string, folder: string): Promise<void> {
  await runProgram(["go", "install", what], { ...OPTIONS, env: { GOBIN: folder } });
}

/** What an install that was stopped has left does not count: the mark is made at its end. */
async function installed(name: string, install: (folder: string) => Promise<void>, program: string): Promise<string> {
  const folder = join(FOLDER, name);
  const mark = join(folder, "complete");
  if (!(await exists(mark))) {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    await install(folder);
    await writeFile(mark, "");
  }
  return join(folder, program);
}
