import { rename, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Builder, BuiltDisk } from "../core/builder.ts";
import type { DiskImage } from "../core/disk-image.ts";
import { withDisposal } from "../core/disposal.ts";
import { together } from "../core/together.ts";
import { digestOfValue, type Digest } from "../core/digest.ts";
import type { Journal } from "../core/journal.ts";
import type { Plan } from "../core/plan.ts";
import { KEY_FORMAT_VERSION } from "../core/key.ts";
import { digestOfFile } from "../host/file-digest.ts";
import { checkImage, flatten } from "../disk/qemu-img.ts";
import { containerDisk } from "../oci/container-disk.ts";
import { writeImage, type WrittenImage } from "../oci/image.ts";
import { imageLabels, type ImageIdentity } from "../oci/labels.ts";
import { flush, writeFileAtomic } from "../store/atomic.ts";
import { writing } from "../core/file-system-error.ts";
import type { Store } from "../store/store.ts";
import type { BuildJob } from "./build-job.ts";
import { BUILD_RECORD_FILE, type BuildRecord } from "./build-record.ts";
import { checkLayerBudget } from "./layer-budget.ts";
import { writeLayeredImage, type LayeredImage } from "./layered-image.ts";
import { writePackageLists } from "./package-lists.ts";
import { timedJournal, type SpanTime } from "./span-times.ts";

export interface BuildPorts {
  readonly builder: Builder;
  readonly store: Store;
  /** Name and version of kvci-build and of the programs it uses, by name. */
  readonly tools: Readonly<Record<string, string>> & { readonly "kvci-build": string };
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Keeps items of the store, paths relative to its root, from being removed while this run lasts. */
  readonly pin: (items: readonly string[]) => Promise<void>;
}

/**
 * Builds one plan: boots and runs the steps, flattens, wraps, and writes the build's records into `job.folder`.
 * `build.json` comes last, so a folder with one is a whole build.
 *
 * @throws {KvciError} `budget-exceeded`; whatever the builder, qemu-img or the disk say.
 */
export async function buildTemplate(job: BuildJob, ports: BuildPorts, journal: Journal): Promise<BuildRecord> {
  return withDisposal(await ports.store.temporaryFolder(job.plan.template), ({ path: workDir }) =>
    buildIn(workDir, { job, ports }, journal),
  );
}

async function buildIn(
  workDir: string,
  { job, ports }: { readonly job: BuildJob; readonly ports: BuildPorts },
  journal: Journal,
): Promise<BuildRecord> {
  const times: SpanTime[] = [];
  const timed = timedJournal(journal, times);
  const startedMs = ports.now();
  const built = await ports.builder.build({ ...job, workDir }, timed);
  checkLayerBudget(job.plan, built);
  const disk = await timed.span({ name: "convert", kind: "phase" }, (inner) => exportDisk(built, job, inner));
  // Wrapping reads the disk; so does the check of it, which finds nothing unless qemu-img or the host's disk is broken.
  const [image] = await together(wrap(disk, job, { ports, journal: timed }), checkDisk(disk, job, timed));
  const layered = await wrapLayers(built, disk, { job, ports, workDir, journal: timed });
  const lists = await writePackageLists(job, {
    built,
    disk,
    created: new Date(startedMs).toISOString(),
    toolVersion: ports.tools["kvci-build"],
  });
  const facts = {
    built,
    disk,
    image,
    layered,
    times,
    startedMs,
    durationMs: ports.now() - startedMs,
    tools: ports.tools,
  };
  const record = { ...recordOf(job, facts), ...lists };
  await writing(job.folder, () =>
    writeFileAtomic(join(job.folder, BUILD_RECORD_FILE), `${JSON.stringify(record, null, 2)}\n`),
  );
  return record;
}

async function exportDisk(built: BuiltDisk, { folder, signal }: BuildJob, journal: Journal): Promise<DiskImage> {
  const path = join(folder, "disk.qcow2");
  const temporary = `${path}.new`;
  const context = { signal, journal };
  return writing(folder, async () => {
    await flatten(built.path, temporary, context);
    await flush(temporary);
    await rename(temporary, path);
    const { size: fileBytes } = await stat(path);
    return {
      path,
      format: "qcow2",
      virtualBytes: built.virtualBytes,
      fileBytes,
      digest: await digestOfFile(path, "sha256", signal),
    };
  });
}

async function wrap(
  disk: DiskImage,
  { plan, folder, signal }: BuildJob,
  { ports, journal }: { readonly ports: BuildPorts; readonly journal: Journal },
): Promise<WrittenImage | undefined> {
  if (!plan.outputs.includes("container-disk")) return undefined;
  const { platform } = plan.disk;
  const description = containerDisk({
    disk,
    platform: { os: platform.os, arch: platform.arch },
    ref: plan.template,
    ...imageLabels(identityOf(plan, disk, ports)),
  });
  return journal.span({ name: "wrap", kind: "phase" }, (inner) =>
    writing(folder, () =>
      writeImage(join(folder, "image"), description, {
        signal,
        onProgress: (name, doneBytes, totalBytes) => {
          inner.emit({ type: "transfer", name, doneBytes, totalBytes });
        },
      }),
    ),
  );
}

/** The image of the layered disk, while its chain is still in place. */
async function wrapLayers(
  built: BuiltDisk,
  disk: DiskImage,
  { job, ports, workDir, journal }: { job: BuildJob; ports: BuildPorts; workDir: string; journal: Journal },
): Promise<LayeredImage | undefined> {
  const { plan, base, folder, signal } = job;
  if (!plan.outputs.includes("layered-disk")) return undefined;
  const { store, now, pin } = ports;
  const identity = identityOf(plan, disk, ports);
  const request = {
    plan,
    base: base.disk,
    layers: built.layers,
    sealed: built,
    layout: join(folder, "image"),
    identity,
  };
  return journal.span({ name: "layers", kind: "phase" }, (inner) =>
    writing(folder, () => writeLayeredImage(request, { store, workDir, now, pin, signal }, inner)),
  );
}

async function checkDisk({ path }: DiskImage, { signal }: BuildJob, journal: Journal): Promise<void> {
  await journal.span({ name: "check", kind: "phase" }, (inner) => checkImage(path, { signal, journal: inner }));
}

function identityOf(plan: Plan, disk: DiskImage, { tools }: BuildPorts): ImageIdentity {
  const { platform, base } = plan.disk;
  return {
    template: plan.template,
    planId: plan.id,
    baseDigest: base,
    baseName: `${platform.distribution}-${platform.release}-${platform.arch}`,
    virtualBytes: disk.virtualBytes,
    diskDigest: disk.digest,
    createdBy: `kvci-build ${tools["kvci-build"]}`,
    labels: plan.labels,
  };
}

/** Digest of all that a build's folder depends on: the disk's plan, and what is made of the disk by which kvci-build. */
export function resultId({ id, template, outputs, labels }: Plan, toolVersion: string): Digest {
  return digestOfValue({ id, template, outputs, labels, toolVersion });
}

interface Facts {
  readonly built: BuiltDisk;
  readonly disk: DiskImage;
  readonly image: WrittenImage | undefined;
  readonly layered: LayeredImage | undefined;
  readonly times: readonly SpanTime[];
  readonly startedMs: number;
  readonly durationMs: number;
  readonly tools: Readonly<Record<string, string>>;
}

function recordOf({ plan }: BuildJob, facts: Facts): Omit<BuildRecord, "packages" | "sbom"> {
  const { disk, image, layered, built, times } = facts;
  const stepTime = (name: string): number =>
    times.find((time) => time.kind === "step" && time.name === name)?.durationMs ?? 0;
  return {
    schema: "kvci-build/build",
    version: 1,
    template: plan.template,
    platform: plan.disk.platform,
    planId: plan.id,
    resultId: resultId(plan, facts.tools["kvci-build"] ?? ""),
    keyFormatVersion: KEY_FORMAT_VERSION,
    startedAt: new Date(facts.startedMs).toISOString(),
    durationMs: facts.durationMs,
    base: {
      kind: plan.base.image.kind,
      digest: plan.base.identity,
      image: { ...plan.base.image },
      urls: [...plan.base.urls],
    },
    machine: plan.machine,
    accelerator: built.accelerator,
    phases: times.filter(({ kind }) => kind === "phase").map(({ name, durationMs }) => ({ name, durationMs })),
    steps: plan.disk.steps.map(({ name, key }) => {
      const cached = built.cachedSteps.includes(name);
      return { name, key, cached, durationMs: cached ? 0 : stepTime(name) };
    }),
    traces: built.traces,
    disk: { file: "disk.qcow2", digest: disk.digest, bytes: disk.fileBytes, virtualBytes: disk.virtualBytes },
    ...(image ? { image: { folder: "image", digest: image.digest, bytes: image.sizeBytes } } : {}),
    ...(layered ? { layered: layered.record } : {}),
    ...imagesOf(plan),
    tools: { ...facts.tools },
  };
}

function imagesOf({ disk, images = [] }: Plan): Pick<BuildRecord, "images"> {
  const [load] = disk.steps.flatMap(({ ops }) => ops).filter((op) => op.kind === "load-images");
  return load && images.length > 0
    ? { images: { runtime: load.runtime, list: images.map((image) => ({ ...image })) } }
    : {};
}
