import { platformOf, type BaseImage, type CloudImage, type RootBase } from "./base.ts";
import { digestOfValue, type Digest } from "./digest.ts";
import { InputError } from "./input.ts";
import { bootKey, firstKey, nextKey } from "./key.ts";
import { cloudImageKey, type Lock } from "./lock.ts";
import { KvciError } from "./error.ts";
import { lockResolver, type LockResolver, type PlannedDownload, type SizedImage } from "./lock-resolver.ts";
import type { Op, PlannedOp } from "./op.ts";
import type { Arch, Platform } from "./platform.ts";
import type { Step } from "./step.ts";
import type { Template } from "./template.ts";

const MIB = 1024 ** 2;

/** A file or tree that a template copies in, read once when the template is loaded. */
export interface SourceFile {
  readonly absolutePath: string;
  readonly digest: Digest;
  readonly bytes: number;
}

export interface PlannedStep {
  readonly name: string;
  /** The key of the disk after this step. */
  readonly key: Digest;
  readonly ops: readonly PlannedOp[];
  /** Present and true when it is; see `src/core/step-settings.ts` for these. */
  readonly volatile?: true;
  readonly maxAgeMs?: number;
  readonly freshBoot?: true;
  readonly phase?: string;
}

/** The base as the chain sees it. */
export interface PlannedBase {
  /** Digest of the base image's bytes, of the parent template's plan, or, unpinned, of the recipe. */
  readonly identity: Digest;
  /** False while a base made from packages has not been made: its identity, and so every key, changes when it is. */
  readonly pinned: boolean;
  readonly image: BaseImage;
  /** Where to fetch it from, for cloud images. */
  readonly urls: readonly string[];
}

/** Everything that shapes the disk. The plan's id is the digest of this whole object. */
export interface DiskPlan {
  readonly platform: Platform;
  readonly base: Digest;
  readonly virtualBytes: number;
  readonly firstKey: Digest;
  /** The key of the disk after its first boot, before any step: equal for all templates on one base and disk size. */
  readonly bootKey: Digest;
  readonly steps: readonly PlannedStep[];
  readonly seal: readonly PlannedOp[];
}

/** A template resolved: what will be done, in order, with the key of every step. The same input gives the same bytes. */
export interface Plan {
  readonly formatVersion: 1;
  readonly id: Digest;
  readonly template: string;
  readonly disk: DiskPlan;
  readonly base: PlannedBase;
  /** Where the files of fetch-in ops are, each once. Not in the id: it is the bytes that count. */
  readonly downloads: readonly PlannedDownload[];
  /** The container images that it imports, by reference; absent where there are none. Not in the id: the ops hold the digests. */
  readonly images?: readonly SizedImage[];
  readonly machine: Template["machine"];
  readonly outputs: Template["outputs"];
  readonly checks: Template["checks"];
  readonly labels: Template["labels"];
  readonly maxLayerMiB: Template["maxLayerMiB"];
}

/** What a plan is made from; all of it data, so that making one does no I/O. */
export interface PlanInput {
  readonly template: Template;
  readonly arch: Arch;
  readonly lock: Lock;
  /** By the `source` of a copy-in op or the `path` of a local disk. */
  readonly files: ReadonlyMap<string, SourceFile>;
  /** Digest of the packages base, where the store has it. */
  readonly packagesBase?: Digest | undefined;
  /** The plan of the template that this one is based on, when it is. */
  readonly parent?: Plan | undefined;
  /** Refuse what floats: packages without an entry in the lock are an error instead of whatever the repositories offer. */
  readonly locked?: boolean | undefined;
  /** What is done last, uncached: see `src/steps/seal.ts`. */
  readonly seal: Step;
}

/**
 * Resolves a template for one architecture.
 *
 * @throws {KvciError} `lock-missing` and `lock-stale` naming every entry of the lock that is wanted; `template-invalid` for an architecture the
 *   template does not have, a file that was not read, or a step's own complaint.
 */
export function makePlan(input: PlanInput): Plan {
  const { template, arch } = input;
  if (!template.arches.includes(arch)) throw wrongArch(template, arch);
  const base = planBase(input);
  const platform = input.parent?.disk.platform ?? platformOf(template.base as RootBase, arch);
  // Whole MiB, so that a size such as 1.3 GiB still ends on a sector and on an alignment that partitions like.
  const virtualBytes = Math.round(template.disk.sizeGiB * 1024) * MIB;
  const resolver = lockResolver(input, platform);
  const disk = planDisk({ ...input, resolver }, { platform, base: base.identity, virtualBytes });
  const { machine, outputs, checks, labels, maxLayerMiB } = template;
  const images = resolver.sizedImages();
  return {
    formatVersion: 1,
    id: digestOfValue(disk),
    template: template.name,
    disk,
    base,
    downloads: resolver.downloads(),
    ...(images.length > 0 ? { images } : {}),
    machine,
    outputs,
    checks,
    labels,
    maxLayerMiB,
  };
}

type ResolvedInput = PlanInput & { readonly resolver: LockResolver };

function planDisk(input: ResolvedInput, start: { platform: Platform; base: Digest; virtualBytes: number }): DiskPlan {
  const first = firstKey(start);
  const steps: PlannedStep[] = [];
  let key = bootKey(first);
  for (const [index, step] of input.template.steps.entries()) {
    const ops = step.ops(start.platform, input.resolver.packages).map((op) => planOp(op, input, index));
    const { volatile, maxAgeMs, freshBoot, phase } = step;
    key = nextKey(key, ops, { freshBoot });
    steps.push({
      name: step.name,
      key,
      ops,
      ...(volatile ? { volatile } : {}),
      ...(maxAgeMs === undefined ? {} : { maxAgeMs }),
      ...(freshBoot ? { freshBoot } : {}),
      ...(phase === undefined ? {} : { phase }),
    });
  }
  const seal = input.seal.ops(start.platform).map((op) => planOp(op, input, steps.length));
  return { ...start, firstKey: first, bootKey: bootKey(first), steps, seal };
}

function planOp(op: Op, { files, template, resolver }: ResolvedInput, index: number): PlannedOp {
  if (op.kind === "fetch-in") return resolver.file(op);
  if (op.kind === "load-images") return resolver.images(op);
  if (op.kind !== "copy-in") return op;
  const { source, ...rest } = op;
  const file = files.get(source);
  if (file) return { ...rest, digest: file.digest };
  const issue = { path: ["steps", index], message: `no file or folder "${source}" to copy` };
  throw new InputError(
    "template-invalid",
    `template "${template.name}"`,
    [issue],
    "Paths are relative to the template's folder.",
  );
}

function planBase(input: PlanInput): PlannedBase {
  const image = input.template.base;
  switch (image.kind) {
    case "cloud-image":
      return planCloudImage(image, input);
    case "packages": {
      const pinned = input.packagesBase !== undefined;
      return { image, urls: [], pinned, identity: input.packagesBase ?? digestOfValue({ ...image, arch: input.arch }) };
    }
    case "local-disk": {
      const file = input.files.get(image.path);
      if (!file) throw missingDisk(input.template.name, image.path);
      return { image, urls: [], pinned: true, identity: file.digest };
    }
    case "template": {
      if (!input.parent) {
        throw new KvciError("internal", `no plan for the base template "${image.name}"`, { hint: "Report this." });
      }
      return { image, urls: [], pinned: input.parent.base.pinned, identity: input.parent.id };
    }
  }
}

function planCloudImage(image: CloudImage, { lock, arch, template }: PlanInput): PlannedBase {
  const name = cloudImageKey(image, arch);
  const entry = image.url && image.digest ? { url: image.url, digest: image.digest } : lock.cloudImages[name];
  if (entry) return { image, urls: [...new Set([entry.url, ...image.mirrors])], pinned: true, identity: entry.digest };
  throw new KvciError("lock-missing", `template "${template.name}": the lock has no cloud image ${name}`, {
    hint: `Run \`kvci-build lock ${template.name}\` to resolve it, or give url and digest in the template.`,
  });
}

function missingDisk(template: string, path: string): InputError {
  const issue = { path: ["base"], message: `no disk image "${path}"` };
  return new InputError(
    "template-invalid",
    `template "${template}"`,
    [issue],
    "Paths are relative to the template's folder.",
  );
}

function wrongArch(template: Template, arch: Arch): InputError {
  const issue = { path: ["arches"], message: `"${arch}" is not among ${template.arches.join(", ")}` };
  return new InputError(
    "template-invalid",
    `template "${template.name}"`,
    [issue],
    `Add "${arch}" to arches, or build with --arch ${template.arches[0] ?? "amd64"}.`,
  );
}
