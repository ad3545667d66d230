import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { canonicalJson } from "../../src/core/canonical-json.ts";
import { sha256, type Digest } from "../../src/core/digest.ts";
import { KvciError } from "../../src/core/error.ts";
import { jsonOf } from "../../src/core/parse-json.ts";
import { IMAGE_MANIFEST } from "../../src/oci/media-types.ts";
import type { ReleaseBuild } from "../../src/publish/publisher.ts";
import { provenance } from "./provenance.ts";
import type { ImageBuild } from "./image-build.ts";
import type { Artifact } from "./registry-state.ts";

/** Media types, which are also the types of the artifacts. */
const SBOM = "application/spdx+json";
const VERIFICATION = "application/vnd.kubevirt.kvci-build.verification.v1+json";
const PROVENANCE = "application/vnd.in-toto+json";

const EMPTY_TYPE = "application/vnd.oci.empty.v1+json";
/** What artifacts have for a config: two bytes, the same everywhere. */
export const EMPTY_CONFIG = Buffer.from("{}");
const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;

/** A document with its bytes, and the manifest that ties it to an image. */
export interface AttachedDocument {
  readonly artifact: Artifact;
  readonly bytes: Buffer;
  readonly manifest: Buffer;
}

interface Document {
  readonly artifactType: string;
  readonly title: string;
  readonly bytes: Buffer;
}

/**
 * What is attached to an image: its SBOM, the results of verification for its very disk, and where it comes from. The same build
 * gives the same bytes and so the same manifests, however often.
 *
 * @throws {KvciError} `build-invalid`
 */
export async function documentsOf(
  build: Pick<ReleaseBuild, "folder" | "diskDigest">,
  image: ImageBuild,
): Promise<readonly AttachedDocument[]> {
  const { folder } = build;
  const sbom = { artifactType: SBOM, title: image.sbom, bytes: await readDocument(join(folder, image.sbom)) };
  const statement = { artifactType: PROVENANCE, title: "provenance.intoto.json", bytes: provenance(image) };
  const documents = [sbom, ...(await verifications(folder, build.diskDigest)), statement];
  return documents.map((document) => attached(document, image));
}

const verdict = z.looseObject({ digest: z.string(), ok: z.boolean(), place: z.string().optional() });
/** Results of clouds come when an image is published there: they would make something to attach of every such release. */
const CLOUDS = new Set(["aws", "gcp"]);

/** Results for other bytes are of an earlier build in the same folder. */
async function verifications(folder: string, disk: Digest): Promise<Document[]> {
  const names = (await readdir(folder)).filter((name) => /^verification-.+\.json$/.test(name)).sort();
  const documents = await Promise.all(
    names.map(async (title) => ({ artifactType: VERIFICATION, title, bytes: await readDocument(join(folder, title)) })),
  );
  return documents.filter(({ bytes }) => {
    const { digest, place = "" } = verdict.safeParse(jsonOf(bytes.toString("utf8"))).data ?? {};
    return digest === disk && !CLOUDS.has(place);
  });
}

async function readDocument(path: string): Promise<Buffer> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new KvciError("build-invalid", `${path} cannot be read, and is to be attached to the image`, {
      hint: "Build the template again, or publish without referrers (referrers: false).",
      cause,
    });
  });
  if (bytes.length <= MAX_DOCUMENT_BYTES) return bytes;
  throw new KvciError("build-invalid", `${path} is too large to be attached to an image`, {
    hint: "Publish without referrers (referrers: false).",
  });
}

function attached({ artifactType, title, bytes }: Document, image: ImageBuild): AttachedDocument {
  const digest = sha256(bytes);
  const manifest = Buffer.from(
    canonicalJson({
      schemaVersion: 2,
      mediaType: IMAGE_MANIFEST,
      artifactType,
      config: { mediaType: EMPTY_TYPE, digest: sha256(EMPTY_CONFIG), size: EMPTY_CONFIG.length },
      layers: [
        {
          mediaType: artifactType,
          digest,
          size: bytes.length,
          annotations: { "org.opencontainers.image.title": title },
        },
      ],
      subject: { mediaType: IMAGE_MANIFEST, digest: image.digest, size: image.size },
      // The build's time, not now: attaching again must make the same manifest.
      annotations: { "org.opencontainers.image.created": image.createdAt },
    }),
  );
  const own = { digest: sha256(manifest), size: manifest.length };
  return { artifact: { artifactType, title, digest, size: bytes.length, manifest: own }, bytes, manifest };
}
