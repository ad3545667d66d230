import { randomFillSync } from "node:crypto";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bounded } from "../../src/core/bounded.ts";
import { REF_NAME } from "../../src/oci/descriptor.ts";
import { writeImage, type ImageDescription } from "../../src/oci/image.ts";
import type { Layer } from "../../src/oci/layer-entries.ts";
import { putManifest, writeJsonBlob } from "../../src/oci/layout.ts";
import { IMAGE_INDEX } from "../../src/oci/media-types.ts";
import type { RegistryWorld } from "./registry.ts";

/** Bytes per file of a layer: half of them compress, as those of programs do. */
const FILE_BYTES = 64 * 1024;

export interface SmallImage {
  /** Repository and tag: `group/name:tag`. */
  readonly name: string;
  /** Names of layers, lowest first: those of one name have the same bytes. */
  readonly layers: readonly string[];
  /** For amd64 alone, or an index with arm64 beside it. Default: `one`. */
  readonly platforms?: "one" | "index";
  readonly format?: "oci" | "v2s2";
  /** Layers are not compressed. */
  readonly plain?: boolean;
}

/** `count` images on three bases, every fifth an index, every seventh in Docker's format: a cluster's images in small. */
export function clusterImages(count: number): readonly SmallImage[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `cluster/image-${String(index)}:v1.${String(index)}`,
    layers: [`base-${String(index % 3)}`, `runtime-${String(index % 6)}`, `own-${String(index)}`],
    ...(index % 5 === 4 ? { platforms: "index" as const } : {}),
    ...(index % 7 === 6 ? { format: "v2s2" as const } : {}),
  }));
}

/** Makes images and pushes them. @returns whole references, in order. */
export async function fill(world: RegistryWorld, images: readonly SmallImage[]): Promise<readonly string[]> {
  const folder = await mkdtemp(join(world.folder, "layouts-"));
  const layers = new Map<string, Promise<Layer>>();
  const layerOf = (name: string): Promise<Layer> => {
    const known = layers.get(name) ?? makeLayer(folder, name);
    layers.set(name, known);
    return known;
  };
  return bounded(images, 2, async ({ name, layers: names, platforms = "one", format, plain = false }) => {
    const layout = join(folder, name.replace(/[/:]/g, "-"));
    const description: Omit<ImageDescription, "platform"> = {
      layers: await Promise.all(names.map(layerOf)),
      config: { entrypoint: ["/bin/none"], labels: { name } },
    };
    if (platforms === "one") await writeImage(layout, { ...description, platform: AMD64, ref: "image" });
    else await writeIndex(layout, description);
    return world.push(`oci:${layout}:image`, name, { keep: plain, ...(format ? { format } : {}) });
  });
}

const AMD64 = { os: "linux", arch: "amd64" };

/** The same image for two architectures, behind one index. */
async function writeIndex(layout: string, description: Omit<ImageDescription, "platform">): Promise<void> {
  for (const platform of [AMD64, { os: "linux", arch: "arm64" }]) {
    await writeImage(layout, { ...description, platform });
  }
  const { manifests } = JSON.parse(await readFile(join(layout, "index.json"), "utf8")) as { manifests: unknown[] };
  const index = await writeJsonBlob(layout, IMAGE_INDEX, { schemaVersion: 2, mediaType: IMAGE_INDEX, manifests });
  await putManifest(layout, { ...index, annotations: { [REF_NAME]: "image" } });
}

async function makeLayer(folder: string, name: string): Promise<Layer> {
  const from = join(folder, `file-of-${name}`);
  const content = Buffer.alloc(FILE_BYTES, `${name} `);
  randomFillSync(content, 0, FILE_BYTES / 2);
  await writeFile(from, content);
  return { files: [{ path: `usr/lib/${name}/data`, from, mode: 0o644, uid: 0, gid: 0 }] };
}
