import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { packagesBase } from "../../builders/packages/packages-base.ts";
import { warmEntry, WARM_KIND } from "../../builders/qemu/warm-states.ts";
import { hostHypervisor } from "../../src/cli/hypervisor.ts";
import { packages } from "../../src/core/base.ts";
import type { Base } from "../../src/core/disk-image.ts";
import { withDisposal } from "../../src/core/disposal.ts";
import { defineEnvironment } from "../../src/core/environment.ts";
import { silentJournal } from "../../src/core/journal.ts";
import type { Plan } from "../../src/core/plan.ts";
import { exists } from "../../src/host/exists.ts";
import { openStore } from "../../src/store/file-store.ts";
import { fileLayerStore } from "../../src/store/layer-store.ts";
import type { Store } from "../../src/store/store.ts";
import { templateText } from "./template-text.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** Program of kvci-build in this checkout. */
export const MAIN = join(ROOT, "src/cli/main.ts");
/** Folder of all that tests of whole builds leave for one another. */
export const E2E = join(ROOT, ".kvci/e2e");
/** Kept from run to run, for the base that is made from packages. Workspaces have stores of their own with links to it. */
const SHARED_STORE = process.env["KVCI_E2E_STORE"] ?? join(E2E, "store");

const { signal } = new AbortController();

/** Makes the base all tests build on, unless it is there; tests that run at once wait for one of them. */
async function sharedBase(store: Store): Promise<Base> {
  const bases = packagesBase({ store, signal, journal: silentJournal, environment: defineEnvironment({}) });
  return bases.provide(packages({ distribution: "debian", release: "12" }), "amd64");
}

/**
 * Links what all tests share into the folder of another store's entries: the base, and with `firstBoot` the layer of its first
 * boot and the machine's memory right after it. What is in a store is never written again, so links are as good as copies.
 */
export async function linkShared(entries: string, { firstBoot }: { readonly firstBoot: boolean }): Promise<void> {
  await mkdir(E2E, { recursive: true });
  const store = await openStore(SHARED_STORE, { runId: randomUUID(), description: "the tests" });
  const base = await sharedBase(store);
  await link("bases", entries);
  if (!firstBoot) return;
  // Nobody replaces them while they are linked.
  await withDisposal(await store.lock("e2e-first-boot", { signal }), async () => {
    await makeFirstBoot(store, base);
    for (const kind of ["layers", WARM_KIND]) await link(kind, entries);
  });
}

async function link(kind: string, entries: string): Promise<void> {
  await promisify(execFile)("cp", ["-al", join(SHARED_STORE, "entries", kind), entries]);
}

/** Boots the base once for all tests, with the disk and the machine of `templateText`. Its one step is never kept. */
async function makeFirstBoot(store: Store, base: Base): Promise<void> {
  const folder = await mkdtemp(join(E2E, "first-boot-"));
  try {
    await writeFile(join(folder, "boot.ts"), templateText("boot", 'volatile(defineStep("nothing", [run("true")]))'));
    const build = ["template", "boot.ts", "--no-verify", "--out", folder];
    const options = { cwd: folder, env: { ...process.env, KVCI_BUILD_STORE: SHARED_STORE } };
    const planned = await execNode([MAIN, ...build, "--plan", "--json"], options);
    if (await isFirstBooted(store, base, JSON.parse(planned.stdout) as Plan)) return;
    for (const kind of ["layers", WARM_KIND]) {
      await rm(join(SHARED_STORE, "entries", kind), { recursive: true, force: true });
    }
    await execNode([MAIN, ...build], options);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function isFirstBooted(store: Store, { directBoot }: Base, { disk, machine }: Plan): Promise<boolean> {
  const { layers } = await fileLayerStore(store).chain([{ key: disk.bootKey }], { now: Date.now() });
  const [layer] = layers;
  if (!layer) return false;
  const hypervisor = hostHypervisor({ path: process.env["PATH"] ?? "", toolsFolder: join(ROOT, ".kvci/tools/bin") });
  const shape = { ...machine, arch: disk.platform.arch, directBoot, seeded: false };
  return exists(warmEntry(store, { layer: layer.id, fingerprint: await hypervisor.fingerprint(shape, signal) }));
}

function execNode(
  argv: readonly string[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<{ stdout: string }> {
  return promisify(execFile)(process.execPath, ["--disable-warning=ExperimentalWarning", ...argv], options);
}
