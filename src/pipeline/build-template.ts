import { rename, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Builder, BuiltDisk } from "../core/builder.ts";
import type { DiskImage } from "../core/disk-image.ts";
import { withDisposal } from "../core/disposal.ts";
import type { Journal } from "../core/journal.ts";
import { KEY_FORMAT_VERSION } from "../core/key.ts";
import { digestOfFile } from "../host/file-digest.ts";
import { checkImage, flatten } from "../disk/qemu-img.ts";
import { containerDisk } from "../oci/container-disk.ts";
import { writeImage, type WrittenImage } from "../oci/image.ts";
import { imageLabels } from "../oci/labels.ts";
import { flush, writeFileAtomic } from "../store/atomic.ts";
import { writing } from "../core/file-system-error.ts";
import type { Store } from "../store/store.ts";
import type { BuildJob } from "./build-job.ts";
import { BUILD_RECORD_FILE, type BuildRecord } from "./build-record.ts";
import { writePackageLists } from "./package-lists.ts";
import { timedJournal, type SpanTime } from "./span-times.ts";

export interface BuildPorts {
  readonly builder: Builder;
  readonly store: Store;
  /** Name and version of kvci-build and of the programs it uses, by name. */
  readonly tools: Readonly<Record<string, string>> & { readonly "kvci-build": string };
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/**
 * Builds one plan: boots and runs the steps, flattens, wraps, and writes the build's records into `job.folder`.
 * `build.json` comes last, so a folder with one is a whole build.
 *
 * @throws {KvciError} whatever the builder, qemu-img or the disk say.
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
  const disk = await timed.span({ name: "convert", kind: "phase" }, (inner) => exportDisk(built, job, inner));
  const image = await wrap(disk, job, { ports, journal: timed });
  const lists = await writePackageLists(job, {
    built,
    disk,
    created: new Date(startedMs).toISOString(),
    toolVersion: ports.tools["kvci-build"],
  });
  const facts = { built, disk, image, times, startedMs, durationMs: ports.now() - startedMs, tools: ports.tools };
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
    await checkImage(temporary, context);
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
  const { platform, base } = plan.disk;
  const identity = {
    template: plan.template,
    planId: plan.id,
    baseDigest: base,
    baseName: `${platform.distribution}-${platform.release}-${platform.arch}`,
    virtualBytes: disk.virtualBytes,
    diskDigest: disk.digest,
    createdBy: `kvci-build ${ports.tools["kvci-build"]}`,
    labels: plan.labels,
  };
  const description = containerDisk({
    disk,
    platform: { os: platform.os, arch: platform.arch },
    ref: plan.template,
    ...imageLabels(identity),
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

interface Facts {
  readonly built: BuiltDisk;
  readonly disk: DiskImage;
  readonly image: WrittenImage | undefined;
  readonly times: readonly SpanTime[];
  readonly startedMs: number;
  readonly durationMs: number;
  readonly tools: Readonly<Record<string, string>>;
}

function recordOf({ plan }: BuildJob, facts: Facts): Omit<BuildRecord, "packages" | "sbom"> {
  const { disk, image, built, times } = facts;
  const stepTime = (name: string): number =>
    times.find((time) => time.kind === "step" && time.name === name)?.durationMs ?? 0;
  return {
    schema: "kvci-build/build",
    version: 1,
    template: plan.template,
    platform: plan.disk.platform,
    planId: plan.id,
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
    steps: plan.disk.steps.map(({ name, key }) => ({ name, key, cached: false, durationMs: stepTime(name) })),
    traces: built.traces,
    disk: { file: "disk.qcow2", digest: disk.digest, bytes: disk.fileBytes, virtualBytes: disk.virtualBytes },
    ...(image ? { image: { folder: "image", digest: image.digest, bytes: image.sizeBytes } } : {}),
    tools: { ...facts.tools },
  };
}
