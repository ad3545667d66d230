import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import type { BuildRequest, ContainerdFiles, ImageDisk } from "../../src/core/builder.ts";
import { withDisposal } from "../../src/core/disposal.ts";
import { KvciError } from "../../src/core/error.ts";
import { namesOf } from "../../src/core/image-reference.ts";
import type { Journal } from "../../src/core/journal.ts";
import type { PlannedImage, PlannedLoadImages } from "../../src/core/op.ts";
import { jsonOf } from "../../src/core/parse-json.ts";
import type { Arch } from "../../src/core/platform.ts";
import { lastLines } from "../../src/host/last-lines.ts";
import type { ImageLoader } from "../../src/machine/apply.ts";
import type { ExecResult, Machine } from "../../src/machine/machine.ts";
import type { VirtualMachine } from "../../src/qemu/boot-request.ts";
import { attachDisk } from "../../src/qemu/hot-disk.ts";
import { FINISH, IMPORT_STATUS, READ_DATABASES, RUNTIMES, UNPACK_STORE, type RuntimeScripts } from "./image-scripts.ts";

/** The disk's serial number: how the guest finds it, whatever other disks it has. */
const SERIAL = "kvci-images";
/** A runtime starts within seconds; in an emulated guest it may be half a minute. */
const ANSWER_SECONDS = 180;
const LIST_MS = 5 * 60_000;
const FINISH_MS = 2 * 60_000;
/** An import unpacks: an emulated guest manages some 5 MiB of compressed layers a second. */
const IMPORT_SLACK_MS = 15 * 60_000;
const SLOWEST_BYTES_PER_MS = 512;

export interface LoaderPorts {
  /** The machine that the guest runs on by now. */
  readonly vm: () => VirtualMachine;
  readonly imageDisk: BuildRequest["imageDisk"];
  readonly arch: Arch;
  readonly journal: Journal;
  readonly signal: AbortSignal;
  /** Milliseconds after the import within which the runtime must list everything. Default: two minutes. */
  readonly listedMs?: number | undefined;
}

/**
 * Brings images into the runtime's store by way of a read-only disk that is there for that only, and checks that the runtime lists
 * each of them by its digest afterwards. containerd's store is written beside it, where that can be done; else the runtime imports.
 * A runtime that did not run is stopped again.
 *
 * @throws by the loader {KvciError} `image-missing` naming what the runtime does not list; `command-failed`; whatever making the
 *   disk says.
 */
export function imageLoader(ports: LoaderPorts): ImageLoader {
  return async (guest, op) => {
    const runtime = RUNTIMES[op.runtime];
    const containerd = op.runtime === "containerd" ? await containerdFiles(guest, { ...ports, op }) : undefined;
    const disk = await finishedOnError(guest, runtime, () => ports.imageDisk(op.images, ports.journal, containerd));
    await withDisposal(disk, async () => {
      await withDisposal(await attachDisk(ports.vm(), { path: disk.path, serial: SERIAL }), async () => {
        await finishedOnError(guest, runtime, async () => {
          await importImages(guest, { ...ports, op, runtime, disk });
          await verify(guest, { ...ports, op, runtime });
        });
        await finish(guest, runtime);
      });
    });
  };
}

async function finishedOnError<T>(guest: Machine, runtime: RuntimeScripts, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // Its failure must not take the place of the first one.
    await finish(guest, runtime).catch(() => undefined);
    throw error;
  }
}

/** containerd's databases, which stands still from now on; undefined where its store is none that could be written. */
async function containerdFiles(
  guest: Machine,
  { op, signal }: Pick<Import, "op" | "signal">,
): Promise<ContainerdFiles | undefined> {
  const { result, output } = await collected(guest, READ_DATABASES, { signal });
  if (result.exitCode !== 0) throw importFailed(op, result);
  const [, metadata, snapshots] = output.split(/^database$/m);
  if (metadata === undefined || snapshots === undefined) return undefined;
  return { metadata: Buffer.from(metadata, "base64"), snapshots: Buffer.from(snapshots, "base64") };
}

interface Import extends LoaderPorts {
  readonly op: PlannedLoadImages;
  readonly runtime: RuntimeScripts;
}

async function importImages(
  guest: Machine,
  { op, runtime, disk, arch, journal, signal }: Import & { readonly disk: ImageDisk },
): Promise<void> {
  const own = disk.form === "containerd" ? UNPACK_STORE : runtime.importing;
  const script = `command -v ${runtime.command} > /dev/null || exit ${String(IMPORT_STATUS.noRuntime)}\n${own}`;
  const result = await guest.exec(["sh", "-c", script, "kvci-build", SERIAL, arch, String(ANSWER_SECONDS)], {
    stdin: namedLines(op, namesToImport),
    timeoutMs: IMPORT_SLACK_MS + disk.bytes / SLOWEST_BYTES_PER_MS,
    signal,
    onOutput: (stream, text) => {
      journal.emit({ type: "output", stream, text });
    },
  });
  if (result.exitCode !== 0) throw importFailed(op, result);
}

/** CRI-O's store derives the name by digest itself. */
function namesToImport({ runtime }: PlannedLoadImages, image: PlannedImage): readonly string[] {
  return runtime === "containerd" ? namesOf(image) : namesOf(image).slice(0, 1);
}

/** A line per name, as the scripts read them. */
function namedLines(
  op: PlannedLoadImages,
  names: (op: PlannedLoadImages, image: PlannedImage) => readonly string[],
): string {
  return op.images
    .flatMap((image) => names(op, image).map((name) => `${name} ${image.digest} ${image.manifest}\n`))
    .join("");
}

/** @throws {KvciError} `command-failed`: what was imported may not be on the disk. */
async function finish(guest: Machine, { unit, command }: RuntimeScripts): Promise<void> {
  const result = await guest.exec(["sh", "-c", FINISH, "kvci-build", SERIAL, unit], { timeoutMs: FINISH_MS });
  if (result.exitCode === 0) return;
  throw new KvciError("command-failed", `${unit} could not be left as it was found after the import by ${command}`, {
    hint: "The guest's disk may be full: see disk.sizeGiB of the template.",
    evidence: lastLines(result.stderr, 10),
  });
}

const FAILURES: Readonly<Record<number, readonly [string, string]>> = {
  [IMPORT_STATUS.noDisk]: [
    "the guest does not see the disk with the images",
    "Its kernel needs the modules virtio_scsi and sd_mod: install the package that has them in an earlier step.",
  ],
  [IMPORT_STATUS.noRuntime]: [
    "the guest has nothing to import images with",
    "Install the runtime in an earlier step; for CRI-O also skopeo.",
  ],
  [IMPORT_STATUS.notStarted]: [
    "the runtime could not be started",
    "Its own words are above; look at its configuration.",
  ],
  [IMPORT_STATUS.noAnswer]: [
    `the runtime did not answer within ${String(ANSWER_SECONDS)} s`,
    "Its own words are above; look at its configuration.",
  ],
};

function importFailed({ runtime, images }: PlannedLoadImages, { exitCode, stdout, stderr }: ExecResult): KvciError {
  const what = `import of ${String(images.length)} container images into ${runtime}`;
  const [why, hint] = FAILURES[exitCode] ?? [
    `exited ${String(exitCode)}`,
    "Its last output is above. A full disk says so: see disk.sizeGiB of the template.",
  ];
  return new KvciError("command-failed", `${what}: ${why}`, { hint, evidence: lastLines(`${stdout}\n${stderr}`, 20) });
}

/** The CRI plugin answers and learns of images some time after containerd does: ten seconds for hundreds in an emulated guest. */
const LISTED_MS = 120_000;
const ASK_EVERY_MS = 1_000;

async function verify(guest: Machine, imported: Import): Promise<void> {
  const { op, signal, listedMs = LISTED_MS } = imported;
  const deadline = performance.now() + listedMs;
  for (;;) {
    const isLast = performance.now() > deadline;
    const listed = await allListed(guest, imported).catch((error: unknown) => {
      // A runtime that has just started refuses to be asked.
      if (isLast || signal.aborted) throw error;
      return new Map<string, string>();
    });
    const missing = op.images.filter((image) => !isListed(image, listed));
    if (missing.length === 0) return;
    if (isLast) throw notThere(op, missing, listed);
    await delay(ASK_EVERY_MS, undefined, { signal });
  }
}

async function allListed(guest: Machine, imported: Import): Promise<ReadonlyMap<string, string>> {
  return (await criImages(guest, imported)) ?? (await ownList(guest, imported));
}

function notThere(
  { runtime }: PlannedLoadImages,
  missing: readonly PlannedImage[],
  listed: ReadonlyMap<string, string>,
): KvciError {
  const names = missing.map(({ ref, digest }) => `${ref} (${digest})`);
  return new KvciError("image-missing", `${runtime} does not list ${names.join(", ")} after the import`, {
    hint: "Run the build again; with --on-error shell the guest is there to look at.",
    evidence: missing.flatMap((image) => namesOf(image).map((name) => `${name}: ${listed.get(name) ?? "not listed"}`)),
  });
}

function isListed(image: PlannedImage, listed: ReadonlyMap<string, string>): boolean {
  return namesOf(image).every((name) => {
    const found = listed.get(name);
    return found === image.digest || found === image.manifest;
  });
}

const criList = z.object({
  images: z.array(z.object({ repoTags: z.array(z.string()).nullish(), repoDigests: z.array(z.string()).nullish() })),
});

/** What kubelet will see; undefined where crictl is not installed. */
async function criImages(
  guest: Machine,
  { runtime, signal }: Import,
): Promise<ReadonlyMap<string, string> | undefined> {
  const endpoints = `--runtime-endpoint ${runtime.socket} --image-endpoint ${runtime.socket}`;
  const script = `command -v crictl > /dev/null || exit ${String(IMPORT_STATUS.noRuntime)}; crictl ${endpoints} images -o json`;
  const { result, output } = await collected(guest, script, { signal });
  if (result.exitCode === IMPORT_STATUS.noRuntime) return undefined;
  const list = criList.safeParse(jsonOf(output));
  if (result.exitCode !== 0 || !list.success) throw notListed("crictl images", result);
  return new Map(list.data.images.flatMap(({ repoTags, repoDigests }) => criNames(repoTags ?? [], repoDigests ?? [])));
}

/** A tag stands for what the digests beside it say. */
function criNames(tags: readonly string[], digests: readonly string[]): [string, string][] {
  const known = digests.map((name): [string, string] => [name, name.split("@")[1] ?? ""]);
  const ofTag = (tag: string): string =>
    known.find(([name]) => name.startsWith(`${tag.slice(0, tag.lastIndexOf(":"))}@`))?.[1] ?? "";
  return [...known, ...tags.map((tag): [string, string] => [tag, ofTag(tag)])];
}

async function ownList(guest: Machine, { op, runtime, signal }: Import): Promise<ReadonlyMap<string, string>> {
  const stdin = namedLines(op, (_op, image) => namesOf(image));
  const { result, output } = await collected(guest, runtime.listing, { signal, stdin });
  if (result.exitCode !== 0) throw notListed(runtime.command, result);
  const lines = output.split("\n").map((line) => line.split(" "));
  return new Map(lines.flatMap(([name, digest]): [string, string][] => (name && digest ? [[name, digest]] : [])));
}

/** Runs a script and keeps all it prints: lists are longer than what `exec` keeps. */
async function collected(
  guest: Machine,
  script: string,
  options: { readonly signal: AbortSignal; readonly stdin?: string },
): Promise<{ readonly result: ExecResult; readonly output: string }> {
  let output = "";
  const result = await guest.exec(["sh", "-c", script], {
    ...options,
    timeoutMs: LIST_MS,
    onOutput: (stream, text) => {
      if (stream === "stdout") output += text;
    },
  });
  return { result, output };
}

function notListed(command: string, { exitCode, stderr }: ExecResult): KvciError {
  return new KvciError("command-failed", `${command} exited ${String(exitCode)} when it was to list the images`, {
    hint: "The images were imported, but nobody could look at them: see the runtime's configuration and its journal.",
    evidence: lastLines(stderr, 10),
  });
}
