import { mkdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { BuiltLayer } from "../../src/core/builder.ts";
import { sha256 } from "../../src/core/digest.ts";
import type { DiskFormat, DiskImage } from "../../src/core/disk-image.ts";
import type { Plan } from "../../src/core/plan.ts";
import { createOverlay } from "../../src/disk/qemu-img.ts";
import { digestOfFile } from "../../src/host/file-digest.ts";
import { runProgram } from "../../src/host/program.ts";
import { writeLayeredImage, type LayeredImage } from "../../src/pipeline/layered-image.ts";
import { folderStore } from "../fakes/folder-store.ts";
import { RecordingJournal } from "../fakes/recording-journal.ts";

export const { signal } = new AbortController();
export const journal = new RecordingJournal();
export const context = { signal, journal };
export const MIB = 1024 ** 2;

/** Runs a program that is done within a minute. */
export const run = (...argv: readonly [string, ...string[]]): Promise<string> =>
  runProgram(argv, { signal, timeoutMs: 60_000 });

/** Writes to a disk with qemu-io, as a guest would. */
async function write(path: string, format: DiskFormat, ...commands: readonly string[]): Promise<void> {
  await run("qemu-io", "-f", format, "-d", "unmap", ...commands.flatMap((command) => ["-c", command]), path);
}

/** Everything a layered image is made of, in a store of its own. */
export interface World extends AsyncDisposable {
  readonly root: string;
  readonly base: DiskImage;
  readonly layers: readonly BuiltLayer[];
  readonly plan: Plan;
  /** What builds kept from being removed, in the order they said so. */
  readonly pinned: readonly string[];
  readonly store: Awaited<ReturnType<typeof folderStore>>;
  /** A new sealed overlay. */
  readonly seal: () => Promise<{ readonly path: string; readonly virtualBytes: number }>;
  readonly build: (options?: {
    readonly layers?: readonly BuiltLayer[];
    readonly template?: string;
  }) => Promise<LayeredImage>;
}

/** A store with a base of 32 MiB, a first boot that grows it to 64 MiB, two steps in phase "node", one in "images". */
export async function layeredWorld(format: DiskFormat): Promise<World> {
  const store = await folderStore();
  const { root } = store;
  const basePath = join(root, "blobs", "base");
  await mkdir(dirname(basePath), { recursive: true });
  // Not a multiple of a cluster, as raw disks are at times.
  const baseBytes = 32 * MIB + 512;
  await run("qemu-img", "create", "-q", "-f", format, basePath, String(baseBytes));
  await write(basePath, format, "write -P 1 0 4M", "write -P 2 8M 4M", "write -P 9 32M 512");
  const digest = await digestOfFile(basePath, "sha256", signal);
  const base = { path: basePath, format, virtualBytes: baseBytes, fileBytes: (await stat(basePath)).size, digest };
  const layers: BuiltLayer[] = [];
  const addLayer = async (step: string, ...commands: readonly string[]): Promise<void> => {
    const id = `${step}.00000000`;
    const path = join(root, "entries", "layers", id, "layer.qcow2");
    await mkdir(dirname(path), { recursive: true });
    const below = layers.at(-1);
    const backing = below ? `../${below.id}/layer.qcow2` : "../../../blobs/base";
    await createOverlay(
      { path, backing, backingFormat: below ? "qcow2" : format, ...(below ? {} : { virtualBytes: 64 * MIB }) },
      context,
    );
    await write(path, "qcow2", ...commands);
    const facts = { digest: await digestOfFile(path, "sha256", signal), bytes: (await stat(path)).size };
    layers.push({ id, key: sha256(step), path, ...facts, virtualBytes: 64 * MIB, step });
  };
  await addLayer("first boot", "write -P 3 40M 1M", "write -P 4 100k 3k");
  await addLayer("one", "write -P 5 16M 2M", "discard 8M 1M", "write -P 1 1M 1M");
  await addLayer("two", "write -P 6 16M 1M", "write -z 9M 1M");
  await addLayer("three", "write -P 7 48M 2M", "discard 16M 1M");
  const steps = ["one", "two", "three"].map((name) => ({
    name,
    key: sha256(name),
    ops: [],
    phase: name === "three" ? "images" : "node",
  }));
  const plan = { template: "sample", disk: { platform: { os: "linux", arch: "amd64" }, steps } } as unknown as Plan;
  let count = 0;
  const seal: World["seal"] = async () => {
    const path = join(root, `sealed-${String((count += 1))}.qcow2`);
    await createOverlay({ path, backing: layers.at(-1)?.path ?? "" }, context);
    await write(path, "qcow2", "discard 48M 1M", "write -P 8 5M 64k");
    return { path, virtualBytes: 64 * MIB };
  };
  const pinned: string[] = [];
  const pin = (items: readonly string[]): Promise<void> => {
    pinned.push(...items);
    return Promise.resolve();
  };
  const build: World["build"] = async ({ layers: used = layers, template = "sample" } = {}) => {
    const { path: workDir } = await store.temporaryFolder("work");
    const identity = {
      template,
      planId: sha256("plan"),
      baseDigest: digest,
      baseName: "debian-12-amd64",
      virtualBytes: 64 * MIB,
      createdBy: "kvci-build test",
    };
    const layout = join(root, `image-${template}`);
    const request = { plan: { ...plan, template }, base, layers: used, sealed: await seal(), layout, identity };
    return writeLayeredImage(request, { store, workDir, pin, now: () => 1_000, signal }, journal);
  };
  return {
    root,
    base,
    layers,
    plan,
    store,
    pinned,
    seal,
    build,
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
