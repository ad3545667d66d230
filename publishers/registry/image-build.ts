import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Digest } from "../../src/core/digest.ts";
import { KvciError, messageOf } from "../../src/core/error.ts";
import { jsonOf } from "../../src/core/parse-json.ts";
import { digestSchema } from "../../src/core/record-schemas.ts";
import type { RegistryTarget } from "../../src/core/target.ts";
import { readLayout } from "../../src/oci/read-layout.ts";
import type { ReleaseBuild } from "../../src/publish/publisher.ts";

/** What a build says of its images, and of where they come from. See docs/build-record.md. */
const record = z.looseObject({
  startedAt: z.string(),
  base: z.looseObject({ digest: digestSchema, urls: z.array(z.string()).default([]) }),
  image: z.looseObject({ folder: z.string(), digest: digestSchema }).optional(),
  layered: z.looseObject({ folder: z.string(), digest: digestSchema }).optional(),
  sbom: z.looseObject({ file: z.string() }),
  tools: z.record(z.string(), z.string()).default({}),
});

/** What has to be known of a build to find its image. */
export type BuildSource = Pick<ReleaseBuild, "folder" | "template" | "arch" | "planId" | "content">;

/** The image of a build that is published. */
export interface ImageBuild {
  readonly template: string;
  readonly arch: string;
  readonly planId: Digest;
  readonly content: Digest;
  /** Folder of the OCI layout. */
  readonly layout: string;
  /** Of the manifest. */
  readonly digest: Digest;
  readonly size: number;
  /** Config and layers. */
  readonly blobs: readonly { readonly digest: Digest; readonly size: number }[];
  readonly createdAt: string;
  readonly base: Digest;
  readonly baseUri: string | undefined;
  readonly tools: Readonly<Record<string, string>>;
  /** Name of the SBOM's file. */
  readonly sbom: string;
}

/**
 * Reads a build's record and the layout of the image that is asked for; every blob is there in its size.
 *
 * @throws {KvciError} `build-invalid` where the build has no such image; `layout-invalid`
 */
export async function imageBuild(build: BuildSource, kind: RegistryTarget["image"]): Promise<ImageBuild> {
  const path = join(build.folder, "build.json");
  const parsed = record.safeParse(jsonOf(await readFile(path, "utf8").catch(messageOf)));
  if (!parsed.success) throw notARecord(path, parsed.error);
  const { startedAt, base, tools, sbom, image, layered } = parsed.data;
  const own = kind === "container-disk" ? image : layered;
  if (!own) throw imageMissing(build, kind);
  const layout = join(build.folder, own.folder);
  const found = (await readLayout(layout)).images.find(({ digest }) => digest === own.digest);
  if (!found) throw notInLayout(layout, own.digest);
  const { template, arch, planId, content } = build;
  const { manifest, descriptor } = found;
  const blobs = [manifest.config, ...manifest.layers].map(({ digest, size }) => ({ digest, size }));
  const origin = { createdAt: startedAt, base: base.digest, baseUri: base.urls[0], tools, sbom: sbom.file };
  return { template, arch, planId, content, layout, digest: own.digest, size: descriptor.size, blobs, ...origin };
}

function notARecord(path: string, cause: z.ZodError): KvciError {
  return new KvciError("build-invalid", `${path} is not a build record of this version`, {
    hint: "Build the template again with this kvci-build.",
    evidence: z.prettifyError(cause).split("\n").slice(0, 10),
    cause,
  });
}

function imageMissing({ template, arch }: BuildSource, kind: RegistryTarget["image"]): KvciError {
  return new KvciError("build-invalid", `${template} ${arch} has no ${kind} image`, {
    hint: `Add "${kind}" to the template's outputs and build again, or name the other image in the target (image: …).`,
  });
}

function notInLayout(layout: string, digest: string): KvciError {
  return new KvciError("layout-invalid", `${layout} has no image ${digest}, which build.json names`, {
    hint: "Build the template again.",
  });
}
