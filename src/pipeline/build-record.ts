import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { KvciError, messageOf } from "../core/error.ts";
import { digestSchema as digest, platformSchema } from "../core/record-schemas.ts";

const bytes = z.int().min(0);

/** The image of a layered disk: `digest` and `bytes` of a file are those of the OCI layer that it is alone in. */
const layered = z.object({
  folder: z.string(),
  ref: z.string(),
  digest,
  bytes,
  files: z.array(
    z.object({
      file: z.string(),
      phase: z.string(),
      digest,
      bytes,
      virtualBytes: bytes,
      steps: z.array(z.object({ name: z.string(), key: digest })),
    }),
  ),
});

/** What a runtime's store in the disk holds: `digest` is what the reference stands for, `bytes` are those of its blobs, compressed. */
const images = z.object({
  runtime: z.enum(["containerd", "cri-o"]),
  list: z.array(z.object({ ref: z.string(), digest, manifest: digest, bytes })),
});

/** What a build was made of and what came out: `build.json`, described in docs/build-record.md. */
const buildRecord = z.object({
  schema: z.literal("kvci-build/build"),
  version: z.literal(1),
  template: z.string(),
  platform: platformSchema,
  planId: digest,
  /** Of everything the folder depends on; equal means that building again would make the same. */
  resultId: digest.optional(),
  keyFormatVersion: z.int(),
  startedAt: z.iso.datetime(),
  durationMs: z.number(),
  base: z.object({ kind: z.string(), digest, image: z.record(z.string(), z.unknown()), urls: z.array(z.string()) }),
  machine: z.object({ memoryMiB: z.int(), cpus: z.int(), firmware: z.enum(["uefi", "bios"]) }),
  accelerator: z.object({ name: z.string(), reason: z.string() }),
  phases: z.array(z.object({ name: z.string(), durationMs: z.number() })),
  steps: z.array(z.object({ name: z.string(), key: digest, cached: z.boolean(), durationMs: z.number() })),
  traces: z.object({ publicKey: z.string(), machineId: z.string() }),
  disk: z.object({ file: z.string(), digest, bytes, virtualBytes: bytes }),
  image: z.object({ folder: z.string(), digest, bytes }).optional(),
  layered: layered.optional(),
  /** Container images that were imported. */
  images: images.optional(),
  packages: z.object({ file: z.string(), count: z.int() }),
  sbom: z.object({ file: z.string() }),
  tools: z.record(z.string(), z.string()),
});
export type BuildRecord = Readonly<z.output<typeof buildRecord>>;

export const BUILD_RECORD_FILE = "build.json";

/**
 * Reads a build's record.
 *
 * @throws {KvciError} `build-not-found` without a `build.json` there, `build-invalid` for one that does not fit its schema.
 */
export async function readBuildRecord(folder: string): Promise<BuildRecord> {
  const path = join(folder, BUILD_RECORD_FILE);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new KvciError("build-not-found", `there is no build in ${folder}`, {
      hint: "Name the folder that holds build.json, for example out/quickstart/amd64.",
      cause: error,
    });
  }
  const parsed = buildRecord.safeParse(parseJson(text, path));
  if (parsed.success) return parsed.data;
  throw invalid(path, z.prettifyError(parsed.error));
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(path, messageOf(error));
  }
}

function invalid(path: string, why: string): KvciError {
  return new KvciError("build-invalid", `${path} is not a build record of this version`, {
    hint: "Build the template again with this kvci-build.",
    evidence: why.split("\n"),
  });
}
