import { mkdtemp } from "node:fs/promises";
import { basename, join } from "node:path";
import type { BuiltLayer } from "../core/builder.ts";
import { shortDigest } from "../core/digest.ts";
import { withDisposal } from "../core/disposal.ts";
import type { DiskImage } from "../core/disk-image.ts";
import { KvciError } from "../core/error.ts";
import { writing } from "../core/file-system-error.ts";
import type { Journal } from "../core/journal.ts";
import type { Plan } from "../core/plan.ts";
import { exportBase, exportDelta } from "../disk/delta.ts";
import type { DiskFile } from "../disk/qemu-img.ts";
import { writeImage, type WrittenImage } from "../oci/image.ts";
import { imageLabels, type ImageIdentity } from "../oci/labels.ts";
import { layeredDisk, TOP_FILE, type ChainSource } from "../oci/layered-disk.ts";
import type { BuildRecord } from "./build-record.ts";
import { keptExport, type ExportPorts } from "./kept-export.ts";
import { groupLayers, type LayerGroup } from "./layer-groups.ts";

const BASE_FILE = "base.qcow2";

export interface LayeredImageRequest {
  readonly plan: Plan;
  readonly base: DiskImage;
  /** The chain that was built on the base, lowest first; the first boot's comes first. */
  readonly layers: readonly BuiltLayer[];
  /** What lies on the topmost layer: the sealed overlay, its chain still in place. */
  readonly sealed: { readonly path: string; readonly virtualBytes: number };
  /** Folder of the OCI layout, which may hold the flat image. */
  readonly layout: string;
  /** As for the flat image; the digest of the flat disk is left out. */
  readonly identity: ImageIdentity;
}

/** What writing the image needs of the world; the journal comes with the call. */
export type LayeredImagePorts = Omit<ExportPorts, "journal">;

export interface LayeredImage {
  readonly image: WrittenImage;
  /** For `build.json`. */
  readonly record: NonNullable<BuildRecord["layered"]>;
}

/** Reference name of a template's layered image, beside the flat one's. */
function layeredRef(template: string): string {
  return `${template}-layered`;
}

/**
 * Writes the image of a layered disk into a layout: base, a delta for each phase and the seal's, each a qcow2 in a layer of
 * its own. Base and phases are kept in the store, so that only what changed is exported again, and images share the bytes.
 *
 * @throws {KvciError} `program-failed`, `store-full`, `store-unusable`, `interrupted`
 */
export async function writeLayeredImage(
  request: LayeredImageRequest,
  ports: LayeredImagePorts,
  journal: Journal,
): Promise<LayeredImage> {
  const { plan, layout, identity } = request;
  const chain = await exportLayers(request, { ...ports, journal });
  const { os, arch } = plan.disk.platform;
  const description = layeredDisk({
    chain,
    platform: { os, arch },
    ref: layeredRef(plan.template),
    ...imageLabels({ ...identity, diskDigest: undefined }),
  });
  const image = await writing(layout, () =>
    writeImage(layout, description, {
      signal: ports.signal,
      onProgress: (name, doneBytes, totalBytes) => {
        journal.emit({ type: "transfer", name, doneBytes, totalBytes });
      },
    }),
  );
  return { image, record: recordOf(image, chain) };
}

/**
 * Exports a build's chain as files that stand alone, lowest first. Builds on one base wait for each other: they would make
 * the same files.
 */
async function exportLayers(
  request: Omit<LayeredImageRequest, "layout" | "identity">,
  ports: ExportPorts,
): Promise<readonly ChainSource[]> {
  const { store, signal, journal } = ports;
  const name = `exports-${shortDigest(request.base.digest)}`;
  const onWait = (holder: string): void => {
    journal.emit({ type: "waiting", subject: "the layers of this base", holder, forMs: 0 });
  };
  return withDisposal(await store.lock(name, { signal, onWait }), () => exportChain(request, ports));
}

async function exportChain(
  { plan, base, layers, sealed }: Omit<LayeredImageRequest, "layout" | "identity">,
  ports: ExportPorts,
): Promise<readonly ChainSource[]> {
  const { groups, rest } = groupLayers(plan.disk.steps, layers);
  const chain: ChainSource[] = [await baseSource(base, ports)];
  let below: Below = { file: base, name: BASE_FILE, digests: [base.digest] };
  for (const [index, group] of groups.entries()) {
    const file = `${String((index + 1) * 10)}-${group.phase}.qcow2`;
    chain.push(await groupSource(group, { file, below }, ports));
    const digests = [...below.digests, ...group.layers.map(({ digest }) => digest)];
    below = { file: { path: topOf(group).path, format: "qcow2" }, name: file, digests };
  }
  const folder = await mkdtemp(join(ports.workDir, "seal-"));
  const from = join(folder, TOP_FILE);
  await exportDelta({ from: below.file, top: sealed.path, to: from, backingName: below.name, folder }, ports);
  return [...chain, { file: TOP_FILE, phase: "seal", steps: rest, virtualBytes: sealed.virtualBytes, from }];
}

/** What lies below a delta: the file in the store, its name in the image, and what it was made of. */
interface Below {
  readonly file: DiskFile;
  readonly name: string;
  readonly digests: readonly string[];
}

async function baseSource(base: DiskImage, ports: ExportPorts): Promise<ChainSource> {
  const from = await keptExport(
    {
      what: "base of layered images",
      inputs: { kind: "base", digest: base.digest, format: base.format },
      write: (to) => exportBase({ from: base, to }, ports),
    },
    ports,
  );
  return { file: BASE_FILE, phase: "base", steps: [], virtualBytes: base.virtualBytes, from };
}

async function groupSource(
  group: LayerGroup,
  { file, below }: { readonly file: string; readonly below: Below },
  ports: ExportPorts,
): Promise<ChainSource> {
  const { phase, steps, layers } = group;
  const top = topOf(group);
  const from = await keptExport(
    {
      what: `phase ${phase} of layered images`,
      inputs: {
        kind: "delta",
        below: below.digests,
        layers: layers.map(({ digest }) => digest),
        backing: below.name,
      },
      write: (to, folder) =>
        exportDelta({ from: below.file, top: top.path, to, backingName: below.name, folder }, ports),
    },
    ports,
  );
  return { file, phase, steps, virtualBytes: top.virtualBytes, from };
}

function topOf({ phase, layers }: LayerGroup): BuiltLayer {
  const top = layers.at(-1);
  if (top) return top;
  throw new KvciError("internal", `phase "${phase}" has no layer`, { hint: "Report this." });
}

function recordOf(image: WrittenImage, chain: readonly ChainSource[]): LayeredImage["record"] {
  const files = chain.map(({ file, phase, steps, virtualBytes }, index) => {
    const layer = image.layers[index];
    if (!layer) throw new KvciError("internal", `${file} has no layer`, { hint: "Report this." });
    return { file, phase, digest: layer.digest, bytes: layer.size, virtualBytes, steps: [...steps] };
  });
  return { folder: basename(image.layout), ref: image.ref ?? "", digest: image.digest, bytes: image.sizeBytes, files };
}
