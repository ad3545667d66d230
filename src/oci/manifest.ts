import { z } from "zod";
import { annotationsSchema, descriptorSchema, digestSchema } from "./descriptor.ts";

const SCHEMA_VERSION = z.literal(2);

/** `oci-layout`: says that a folder is a layout. */
export const layoutFileSchema = z.looseObject({ imageLayoutVersion: z.literal("1.0.0") });

/** `index.json`, and the manifests of images for several platforms. */
export const indexSchema = z.looseObject({
  schemaVersion: SCHEMA_VERSION,
  mediaType: z.string().optional(),
  manifests: z.array(descriptorSchema),
  annotations: annotationsSchema.optional(),
});

export const manifestSchema = z.looseObject({
  schemaVersion: SCHEMA_VERSION,
  mediaType: z.string().optional(),
  artifactType: z.string().optional(),
  config: descriptorSchema,
  layers: z.array(descriptorSchema),
  annotations: annotationsSchema.optional(),
});

const strings = z.array(z.string());

/** How a container of the image is started; a container disk's is never started by its own. */
const runConfigSchema = z.looseObject({
  Labels: annotationsSchema.nullish(),
  Entrypoint: strings.nullish(),
  Cmd: strings.nullish(),
  Env: strings.nullish(),
  User: z.string().nullish(),
  WorkingDir: z.string().nullish(),
});

export const configSchema = z.looseObject({
  os: z.string().min(1),
  architecture: z.string().min(1),
  variant: z.string().optional(),
  created: z.string().optional(),
  config: runConfigSchema.nullish(),
  rootfs: z.looseObject({ type: z.literal("layers"), diff_ids: z.array(digestSchema) }),
});

export type Index = Readonly<z.output<typeof indexSchema>>;
export type Manifest = Readonly<z.output<typeof manifestSchema>>;
export type ImageConfig = Readonly<z.output<typeof configSchema>>;
