import { z } from "zod";
import { ARCHES } from "../../src/core/platform.ts";
import { digestSchema } from "../../src/core/record-schemas.ts";

/**
 * What is wanted and what is there, as plain data: the difference is taken of nothing else, and steps carry parts of it to
 * whoever runs or undoes them.
 */
const blob = z.object({ digest: digestSchema, size: z.int().min(0) });

/** A document that is attached to an image: its bytes are in the build's folder or follow from it. */
const artifact = z.object({
  artifactType: z.string(),
  title: z.string(),
  /** Of the document. */
  ...blob.shape,
  /** Of the manifest that attaches it. */
  manifest: blob,
});

export const imageOf = z.object({
  ...blob.shape,
  /** Folder of the build, and of the layout in it. */
  folder: z.string(),
  layout: z.string(),
  arch: z.enum(ARCHES),
  template: z.string(),
  version: z.string(),
  planId: digestSchema,
  content: digestSchema,
  diskDigest: digestSchema,
  blobs: z.array(blob).readonly(),
});

const indexOf = z.object({ ...blob.shape, text: z.string(), children: z.array(digestSchema).readonly() });

const tagOf = z.object({
  tag: z.string(),
  floating: z.boolean(),
  /** What it is to stand for. */
  digest: digestSchema,
  /** What it stands for. */
  former: digestSchema.nullable(),
});

const artifacts = z.array(artifact).readonly();

const repositoryState = z.object({
  host: z.string(),
  repository: z.string(),
  /** Tags that are there; null where there is no such repository yet. */
  known: z.int().nullable(),
  referrersApi: z.enum(["api", "tags", "unknown"]),
  images: z
    .array(
      z.object({
        image: imageOf,
        present: z.boolean(),
        /** Digests of blobs that would have to be sent. */
        missing: z.array(digestSchema).readonly(),
        artifacts,
        /** Digests of manifests of artifacts that are attached. */
        attached: z.array(digestSchema).readonly(),
      }),
    )
    .readonly(),
  indexes: z.array(z.object({ index: indexOf, present: z.boolean() })).readonly(),
  tags: z.array(tagOf).readonly(),
});

export const registryState = z.object({ repositories: z.array(repositoryState).readonly() });

export type RegistryState = z.output<typeof registryState>;
export type RepositoryState = z.output<typeof repositoryState>;
export type WantedImage = z.output<typeof imageOf>;
export type WantedIndex = z.output<typeof indexOf>;
export type WantedTag = Omit<z.output<typeof tagOf>, "former">;
export type Artifact = z.output<typeof artifact>;

const place = { host: z.string(), repository: z.string() };

/** What a step is told, by its kind. */
export const stepInputs = {
  place: z.object(place),
  push: z.object({ ...place, image: imageOf }),
  index: z.object({ ...place, index: indexOf }),
  attach: z.object({ ...place, image: imageOf, artifacts }),
  check: z.object({
    ...place,
    subject: blob,
    blobs: z.array(blob).readonly(),
    attached: z.array(digestSchema).readonly(),
  }),
  tag: z.object({ ...place, ...tagOf.shape }),
} as const;

export type StepKind = Exclude<keyof typeof stepInputs, "place">;
