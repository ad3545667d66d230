import { z } from "zod";
import { isDigest, type Digest } from "../core/digest.ts";

/** Where an image's reference name (its tag) stands in the index of a layout. */
export const REF_NAME = "org.opencontainers.image.ref.name";

/** Its strictness keeps a digest from naming a path outside `blobs/`. */
export const digestSchema = z.custom<Digest>(
  (value) => typeof value === "string" && isDigest(value),
  "a digest is needed: sha256:<64 hexadecimal digits>",
);

export const annotationsSchema = z.record(z.string(), z.string());

const platformSchema = z.looseObject({
  os: z.string().min(1),
  architecture: z.string().min(1),
  variant: z.string().optional(),
});

export const descriptorSchema = z.looseObject({
  mediaType: z.string().min(1),
  digest: digestSchema,
  size: z.int().min(0),
  annotations: annotationsSchema.optional(),
  platform: platformSchema.optional(),
});

/** What points at a blob: type, digest, size in bytes. Members we do not know are kept. */
export type Descriptor = Readonly<z.output<typeof descriptorSchema>>;
