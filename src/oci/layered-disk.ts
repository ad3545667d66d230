import { z } from "zod";
import type { Digest } from "../core/digest.ts";
import { QEMU_ID } from "./container-disk.ts";
import { digestSchema } from "./descriptor.ts";
import type { ImageDescription } from "./image.ts";
import { jsonOf } from "../core/parse-json.ts";

const PREFIX = "io.kubevirt.kvci-build.layer";
const FILE = `${PREFIX}.file`;
const PHASE = `${PREFIX}.phase`;
const STEPS = `${PREFIX}.steps`;
const VIRTUAL_BYTES = `${PREFIX}.virtual-bytes`;

/** Label and annotation of an image whose disk is a chain: path of the topmost file. */
export const LAYERED_DISK = "io.kubevirt.kvci-build.disk.layered";

/** Name of a chain's topmost file, in `disk/`. */
export const TOP_FILE = "disk.qcow2";

/** A step that a file of the chain holds. */
export interface ChainStep {
  readonly name: string;
  readonly key: Digest;
}

/** A file of a layered disk. */
export interface ChainPart {
  /** Name in `disk/`, for example `10-kubernetes.qcow2`. */
  readonly file: string;
  /** `base`, `seal`, or the phase of the template's steps that it holds. */
  readonly phase: string;
  readonly steps: readonly ChainStep[];
  /** Size of the disk that the guest sees when this file is the topmost, in bytes. */
  readonly virtualBytes: number;
}

/** A file of a layered disk on this host. */
export interface ChainSource extends ChainPart {
  /** Path of the qcow2. */
  readonly from: string;
}

/**
 * An image whose disk is a chain of qcow2 files, each in a layer of its own, so that images share what is below. The topmost
 * is `disk/disk.qcow2`. Owners and modes are those of a container disk. See docs/layered-disk.md.
 *
 * @param input.chain lowest first.
 */
export function layeredDisk(
  input: { readonly chain: readonly ChainSource[] } & Omit<ImageDescription, "layers" | "config"> & {
      readonly labels?: Readonly<Record<string, string>> | undefined;
    },
): ImageDescription {
  const { chain, labels, annotations, ...rest } = input;
  const owner = { uid: QEMU_ID, gid: QEMU_ID };
  const own = { [LAYERED_DISK]: `disk/${TOP_FILE}` };
  return {
    ...rest,
    annotations: { ...annotations, ...own },
    config: { labels: { ...labels, ...own } },
    layers: chain.map((part) => ({
      directories: [{ path: "disk", mode: 0o555, ...owner }],
      files: [{ path: `disk/${part.file}`, from: part.from, mode: 0o440, ...owner }],
      annotations: annotationsOf(part),
    })),
  };
}

/** The title annotation of OCI is left alone: tools that see it take the blob, which is a tar, for the file itself. */
function annotationsOf({ file, phase, steps, virtualBytes }: ChainPart): Record<string, string> {
  return {
    [FILE]: `disk/${file}`,
    [PHASE]: phase,
    [STEPS]: JSON.stringify(steps.map(({ name, key }) => ({ name, key }))),
    [VIRTUAL_BYTES]: String(virtualBytes),
  };
}

const partSchema = z.object({
  [FILE]: z.string().regex(/^disk\/[^/]+$/),
  [PHASE]: z.string(),
  [STEPS]: z
    .string()
    .transform(jsonOf)
    .pipe(z.array(z.object({ name: z.string(), key: digestSchema }))),
  [VIRTUAL_BYTES]: z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number),
});

/** What a layer's annotations say of the file in it; undefined for a layer of another kind of image. */
export function chainPart(annotations: Readonly<Record<string, string>>): ChainPart | undefined {
  const { data } = partSchema.safeParse(annotations);
  return (
    data && {
      file: data[FILE].slice("disk/".length),
      phase: data[PHASE],
      steps: data[STEPS],
      virtualBytes: data[VIRTUAL_BYTES],
    }
  );
}
