import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import type { Base } from "../../src/core/disk-image.ts";
import { KvciError } from "../../src/core/error.ts";
import { ARCHES } from "../../src/core/platform.ts";
import { digestSchema as digest } from "../../src/core/record-schemas.ts";

const recordSchema = z.object({
  formatVersion: z.literal(1),
  recipe: z.int(),
  spec: z.object({
    kind: z.literal("packages"),
    distribution: z.string(),
    release: z.string(),
    include: z.array(z.string()),
  }),
  arch: z.enum(ARCHES),
  /** sha256 of disk.qcow2. */
  digest,
  virtualBytes: z.int().positive(),
  fileBytes: z.int().positive(),
  /** Number of the root partition, the last on the disk. */
  rootPartition: z.int().min(1),
  kernelVersion: z.string(),
  /** For booting vmlinuz and initrd directly, without the console. */
  kernelArguments: z.string(),
  identity: z.enum(["systemd-credentials", "nocloud"]),
  bootstrapper: z.object({ program: z.string(), version: z.string() }),
  /** ISO 8601, UTC. */
  madeAt: z.string(),
  packages: z.array(z.object({ name: z.string(), version: z.string(), arch: z.string() })),
});

/** base.json: what is known about a base that was made from packages. */
export type BaseRecord = Readonly<z.output<typeof recordSchema>>;

/**
 * Reads the record in a base's folder.
 *
 * @returns undefined when there is none.
 * @throws {KvciError} `store-unusable` when it cannot be read or is not one.
 */
export async function readRecord(folder: string): Promise<BaseRecord | undefined> {
  const file = path.join(folder, "base.json");
  try {
    return recordSchema.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw new KvciError("store-unusable", `${file} cannot be read`, {
      hint: `Remove ${folder}; the base is made again.`,
      cause,
    });
  }
}

/** The base in a folder of the store. */
export function baseOf(folder: string, record: BaseRecord): Base {
  const { digest: sum, virtualBytes, fileBytes, identity, kernelArguments, rootPartition } = record;
  return {
    disk: { path: path.join(folder, "disk.qcow2"), format: "qcow2", virtualBytes, fileBytes, digest: sum },
    directBoot: { kernel: path.join(folder, "vmlinuz"), initrd: path.join(folder, "initrd"), kernelArguments },
    identity,
    rootPartition,
  };
}

/** packages.tsv: name, version, architecture. */
export function parsePackages(text: string): BaseRecord["packages"] {
  const rows = text.split("\n").filter((line) => line !== "");
  return rows.map((row) => {
    const [name = "", version = "", arch = ""] = row.split("\t");
    return { name, version, arch };
  });
}
