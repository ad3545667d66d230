import { randomFillSync } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256 } from "../../src/core/digest.ts";
import type { Arch } from "../../src/core/platform.ts";
import { containerDisk } from "../../src/oci/container-disk.ts";
import { writeImage } from "../../src/oci/image.ts";
import { layeredDisk } from "../../src/oci/layered-disk.ts";
import type { ReleaseBuild } from "../../src/publish/publisher.ts";

const MIB = 1024 * 1024;
const STARTED = "2026-01-02T03:04:05.000Z";

/** Files that layers are made of, in a folder: builds made of the same ones share them. */
export async function layerFiles(
  folder: string,
  sizes: Readonly<Record<string, number>>,
): Promise<Record<string, string>> {
  await mkdir(folder, { recursive: true });
  const paths: Record<string, string> = {};
  for (const [name, bytes] of Object.entries(sizes)) {
    const path = join(folder, `${name}.qcow2`);
    await writeFile(path, randomFillSync(Buffer.alloc(bytes)));
    paths[name] = path;
  }
  return paths;
}

/** Sizes of a base, what Kubernetes adds, and what is each version's own. */
export const LAYER_SIZES = { base: 4 * MIB, kubernetes: MIB, own: 128 * 1024 } as const;

/**
 * The folder of a build as `kvci-build template` leaves it, as far as publishing to a registry reads it: record, both layouts,
 * SBOM and verification result.
 *
 * @param chain paths of qcow2 files, lowest first; the last is the disk itself.
 */
export async function publishableBuild(of: {
  readonly folder: string;
  readonly chain: readonly string[];
  readonly template?: string;
  readonly arch?: Arch;
  readonly version?: string;
}): Promise<ReleaseBuild> {
  const { folder, chain, template = "node", arch = "amd64", version = "1.0" } = of;
  await mkdir(folder, { recursive: true });
  const platform = { os: "linux", arch };
  const disk = chain.at(-1) ?? "";
  const own = { labels: { arch }, annotations: { template }, ref: template };
  const image = await writeImage(
    join(folder, "image"),
    containerDisk({ disk: { path: disk, format: "qcow2" }, platform, ...own }),
  );
  const parts = chain.map((from, index) => ({
    from,
    file: index === chain.length - 1 ? "disk.qcow2" : `${index}0.qcow2`,
    phase: `phase-${index}`,
    steps: [],
    virtualBytes: 1024 ** 3,
  }));
  const layered = await writeImage(join(folder, "layered"), layeredDisk({ chain: parts, platform, ...own }));
  const diskDigest = sha256(`disk of ${template} ${arch} ${version}`);
  const planId = sha256(`plan of ${template} ${arch} ${version}`);
  const files = {
    "sbom.spdx.json": { spdxVersion: "SPDX-2.3", name: `${template} ${arch}`, packages: [] },
    "verification-boot-qemu.json": { formatVersion: 1, digest: diskDigest, suite: "boot", place: "qemu", ok: true },
    "verification-node-qemu.json": { formatVersion: 1, digest: sha256("an earlier disk"), suite: "node", ok: true },
    "build.json": {
      schema: "kvci-build/build",
      version: 1,
      template,
      planId,
      startedAt: STARTED,
      base: { kind: "cloud-image", digest: sha256("base"), urls: ["https://images.example/base.qcow2"] },
      image: { folder: "image", digest: image.digest, bytes: image.sizeBytes },
      layered: { folder: "layered", ref: template, digest: layered.digest, bytes: layered.sizeBytes, files: [] },
      sbom: { file: "sbom.spdx.json" },
      tools: { "kvci-build": "0.1.0" },
    },
  };
  for (const [name, value] of Object.entries(files)) await writeFile(join(folder, name), JSON.stringify(value));
  const content = sha256(`content of ${template} ${arch} ${version}`);
  const facts = { template, arch, version, diskDigest, content, planId, labels: {}, firmware: "uefi" as const };
  return { folder, diskPath: disk, virtualBytes: 1024 ** 3, ...facts };
}
