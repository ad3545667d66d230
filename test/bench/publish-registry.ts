/**
 * Publishing a layered image to docker-registry over TLS (plan, push, reading back, tag) against `skopeo copy` of the same layout,
 * in turn, each into a registry of its own: skopeo remembers where it saw a layer, and would mount it. Then the next version of the
 * same base. Run: `node test/bench/publish-registry.ts [MiB]`; a base of 512 MiB unless told.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withDisposal } from "../../src/core/disposal.ts";
import { runProgram } from "../../src/host/program.ts";
import type { ReleaseBuild } from "../../src/publish/publisher.ts";
import { frontAuthFile, RegistryFront } from "../counterparts/registry/registry-front.ts";
import { oras } from "../contract/oras.ts";
import { publishableBuild } from "../contract/publish-build.ts";
import { testPublisher } from "../contract/publish-registry-setup.ts";
import { publishAll } from "../contract/registry-world.ts";
import { RegistryWorld } from "../world/registry.ts";
import { median } from "./median.ts";

const ROUNDS = 5;
const OPTIONS = { signal: new AbortController().signal, timeoutMs: 10 * 60_000 };
/** Most of the base's bytes that the next version may move. */
const MOST_DELTA = 0.2;

interface Bench {
  readonly folder: string;
  readonly oras: string;
}
type World = Pick<RegistryWorld, "host" | "authFile" | "certificate" | "env">;

async function main(): Promise<void> {
  const baseMiB = Number(process.argv[2] ?? "512");
  const folder = await mkdtemp(join(tmpdir(), "kvci-bench-publish-"));
  try {
    await compare({ folder, oras: await oras(OPTIONS.signal) }, baseMiB);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function compare(bench: Bench, baseMiB: number): Promise<void> {
  const { folder } = bench;
  const base = await noise(join(folder, "base.qcow2"), baseMiB);
  const build = async (version: string): Promise<ReleaseBuild> => {
    const own = await noise(join(folder, `own-${version}.qcow2`), Math.ceil(baseMiB / 32));
    return publishableBuild({ folder: join(folder, version), chain: [base, own], version });
  };
  const [first, next] = [await build("1.0"), await build("1.1")];
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    ours.push(await inRegistry(bench, (world) => timed(() => publish(bench, world, first))));
    theirs.push(await inRegistry(bench, (world) => timed(() => skopeoCopy(world, first))));
  }
  const ratio = median(ours) / median(theirs);
  console.log(`${baseMiB} MiB base, ${ROUNDS} rounds in turn, medians`);
  console.log(`kvci-build publish  ${(median(ours) / 1000).toFixed(2)} s`);
  console.log(`skopeo copy         ${(median(theirs) / 1000).toFixed(2)} s`);
  console.log(`ratio               ${ratio.toFixed(2)}`);
  console.log(`memory              ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB at most`);
  await inRegistry(bench, (registry) => delta(bench, registry, [first, next]));
}

/** An empty one, gone afterwards, and with it what kvci-build remembers. */
async function inRegistry<T>({ folder }: Bench, work: (world: RegistryWorld) => Promise<T>): Promise<T> {
  const own = join(folder, "registry");
  await mkdir(own);
  try {
    const world = await RegistryWorld.start(own);
    return await withDisposal(world, () => work(world));
  } finally {
    await rm(own, { recursive: true });
    await rm(join(folder, "store"), { recursive: true, force: true });
  }
}

/** Bytes are counted by a front before the registry. */
async function delta(bench: Bench, registry: RegistryWorld, builds: readonly ReleaseBuild[]): Promise<void> {
  const front = await RegistryFront.start(registry);
  try {
    const authFile = await frontAuthFile(join(bench.folder, "front.json"), [front], registry.credentials);
    const moved: number[] = [];
    for (const build of builds) {
      front.reset();
      const { certificate, env } = registry;
      await publish(bench, { certificate, env, host: front.host, authFile }, build);
      moved.push(front.blobBytes);
    }
    const [whole = 0, part = 0] = moved;
    const share = part / whole;
    console.log(`next version        ${(share * 100).toFixed(1)} % of the bytes (${part} of ${whole})`);
    if (share > MOST_DELTA) process.exitCode = 1;
  } finally {
    await front[Symbol.asyncDispose]();
  }
}

async function publish({ folder, oras: program }: Bench, world: World, build: ReleaseBuild): Promise<void> {
  const { authFile, certificate, host } = world;
  const storeRoot = join(folder, "store");
  const target = { name: "registry", repository: `${host}/bench/node`, image: "layered-disk" as const };
  const publisher = await testPublisher(target, { storeRoot, authFile, certificate, oras: program });
  await publishAll([build], [publisher], storeRoot);
}

async function skopeoCopy(world: World, { folder, template }: ReleaseBuild): Promise<void> {
  const source = `oci:${join(folder, "layered")}:${template}`;
  const copy = ["skopeo", "--insecure-policy", "copy", "--quiet", "--preserve-digests"] as const;
  await runProgram([...copy, source, `docker://${world.host}/bench/node:1.0`], { ...OPTIONS, env: world.env });
}

async function noise(path: string, mebibytes: number): Promise<string> {
  const count = ["bs=1M", `count=${mebibytes}`, "iflag=fullblock", "status=none"];
  await runProgram(["dd", "if=/dev/urandom", `of=${path}`, ...count], OPTIONS);
  return path;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

await main();
