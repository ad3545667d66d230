/**
 * Pre-pull of images: fetched on the host in parallel and imported from a disk, against `ctr images pull` one after another in the
 * same guest, from the same registry on the loopback. Run: `node test/bench/prepull.ts [images]`; 60 unless told.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KvciError } from "../../src/core/error.ts";
import { silentJournal } from "../../src/core/journal.ts";
import type { ImageEntry } from "../../src/core/lock.ts";
import { fetchImages, uniqueBytes } from "../../src/images/fetch-images.ts";
import { resolveImage } from "../../src/images/resolve-image.ts";
import { openStore } from "../../src/store/file-store.ts";
import { Workspace, type Ended } from "../e2e/kvci.ts";
import { RegistryWorld } from "../world/registry.ts";
import { clusterImages, fill } from "../world/small-images.ts";

const TARGET = 0.3;
const MIB = 1024 * 1024;
const { signal } = new AbortController();

async function main(): Promise<void> {
  const count = Number(process.argv[2] ?? "60");
  const folder = await mkdtemp(join(tmpdir(), "kvci-bench-prepull-"));
  const registry = await RegistryWorld.start(folder);
  try {
    await measure(registry, count);
  } finally {
    await registry[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(registry: RegistryWorld, count: number): Promise<void> {
  const images = new Map<string, ImageEntry>();
  for (const ref of await fill(registry, clusterImages(count))) {
    images.set(ref, {
      ...(await resolveImage(ref, { access: { env: registry.env }, signal })),
      resolvedAt: new Date().toISOString(),
    });
  }
  const lock = { formatVersion: 1, containerImages: Object.fromEntries(images) };
  const workspace = await Workspace.create({ "kvci-build.lock.json": JSON.stringify(lock) }, registry.env, {
    firstBoot: true,
  });
  try {
    const refs = [...images.keys()];
    // What both stand on is there before anything is timed.
    await build(workspace, "runtime", 'defineStep("ready", [run("true")])');
    const fetched = await hostFetch(workspace, registry, images);
    const load = `loadImages("containerd", { images: ${JSON.stringify(refs)} })`;
    const imported = await build(workspace, "ours", `defineStep("images", [${load}])`);
    const serial = await build(workspace, "serial", serialStep(registry, refs));
    report(count, { ...fetched, importMs: opMs(imported), serialMs: opMs(serial) });
  } finally {
    await workspace.remove();
  }
}

/** Into the store that the build will use, which has none of it. */
async function hostFetch(
  workspace: Workspace,
  registry: RegistryWorld,
  images: ReadonlyMap<string, ImageEntry>,
): Promise<{ readonly fetchMs: number; readonly bytes: number }> {
  const store = await openStore(workspace.store, { runId: "bench", description: "the benchmark" });
  const planned = [...images].map(([ref, { digest, platforms }]) => ({
    ref,
    digest,
    manifest: platforms.amd64?.manifest ?? digest,
  }));
  const started = performance.now();
  const source = { kind: "registries", access: { env: registry.env } } as const;
  const fetched = await fetchImages(planned, { store, source, signal, journal: silentJournal });
  return { fetchMs: performance.now() - started, bytes: uniqueBytes(fetched) };
}

function serialStep(registry: RegistryWorld, refs: readonly string[]): string {
  const names = refs.map((ref) => ref.replace(registry.host, `10.0.2.2:${String(registry.port)}`)).join(" ");
  const script = [
    "systemctl start containerd",
    "until ctr version > /dev/null 2>&1; do sleep 0.2; done",
    `for ref in ${names}; do ctr -n k8s.io images pull -k --user ${registry.credentials} "$ref" > /dev/null; done`,
    "systemctl stop containerd",
  ].join("\n");
  return `defineStep("images", [runFor(3_600_000, "sh", "-ec", ${JSON.stringify(script)})])`;
}

async function build(workspace: Workspace, name: string, step: string): Promise<Ended> {
  await workspace.write(
    `${name}.ts`,
    `import { defineStep, defineTemplate, installPackages, loadImages, packages, run, runFor } from "kvci-build";
export default defineTemplate({
  name: ${JSON.stringify(name)},
  base: packages({ distribution: "debian", release: "12" }),
  disk: { sizeGiB: 3 },
  machine: { memoryMiB: 1024, cpus: 2 },
  steps: [
    installPackages(["containerd"]),
    defineStep("stopped", [run("systemctl", "disable", "--now", "containerd.service")]),
    ${step},
  ],
});
`,
  );
  const ended = await workspace.run(["template", `${name}.ts`, "--no-verify", "--json"]);
  if (ended.status === 0) return ended;
  throw new KvciError("command-failed", `the build of ${name} ended with ${String(ended.status)}`, {
    hint: ended.stderr.slice(-3000),
  });
}

/** How long the last step's op took; what comes after it is sealing. */
function opMs({ events }: Ended): number {
  const from = events.findIndex((event) => event.type === "span-started" && event.name === "images");
  const end = events.slice(from).find((event) => event.type === "op-ended");
  return end?.type === "op-ended" ? end.durationMs : Number.NaN;
}

function report(
  count: number,
  of: { readonly fetchMs: number; readonly bytes: number; readonly importMs: number; readonly serialMs: number },
): void {
  const oursMs = of.fetchMs + of.importMs;
  const ratio = oursMs / of.serialMs;
  process.stdout.write(
    [
      `${String(count)} images, ${(of.bytes / MIB).toFixed(1)} MiB without what they share`,
      `ours: ${seconds(oursMs)} (fetched on the host ${seconds(of.fetchMs)}, then disk, import and check ${seconds(of.importMs)})`,
      `ctr images pull, one after another: ${seconds(of.serialMs)}`,
      `ratio ${ratio.toFixed(2)} (at most ${TARGET.toFixed(1)})`,
      "",
    ].join("\n"),
  );
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

await main();
