import type { Digest } from "./digest.ts";
import { KvciError } from "./error.ts";
import { platformKey, type ImageEntry, type Lock, type PackageLock, type PackageSet } from "./lock.ts";
import type { Need, PackagesNeed } from "./need.ts";
import { needsOf } from "./needs-of.ts";
import type { FetchIn, LoadImages, PlannedFetchIn, PlannedImage, PlannedLoadImages } from "./op.ts";
import type { Platform } from "./platform.ts";
import type { Template } from "./template.ts";

/** Turns what floats in ops into what the lock has for it. */
export interface LockResolver {
  readonly packages: PackageLock;
  readonly file: (op: FetchIn) => PlannedFetchIn;
  readonly images: (op: LoadImages) => PlannedLoadImages;
  /** The files of all fetches, each once. */
  readonly downloads: () => readonly PlannedDownload[];
  /** The container images that are imported, each once, by reference. */
  readonly sizedImages: () => readonly SizedImage[];
}

/** A container image that a plan imports, with the bytes of its configuration and layers, compressed. */
export interface SizedImage extends PlannedImage {
  readonly bytes: number;
}

/** A file that a plan fetches. */
export interface PlannedDownload {
  readonly url: string;
  readonly digest: Digest;
  readonly bytes: number;
}

/** What a lock is asked for. */
export interface LockRequest {
  readonly template: Pick<Template, "name" | "steps">;
  readonly lock: Lock;
  /** Packages must be in the lock; without it those that are not float. */
  readonly locked?: boolean | undefined;
}

/** An entry that a template wants of the lock and does not find as it should be. */
export interface LockProblem {
  readonly what: "missing" | "stale";
  /** One line: which entry, and for what. */
  readonly entry: string;
}

/**
 * The lock as one template's steps on one platform see it.
 *
 * @throws {KvciError} `lock-missing`, or `lock-stale` when nothing is missing, with every entry that is not as it should be.
 */
export function lockResolver(request: LockRequest, platform: Platform): LockResolver {
  const problems = lockProblems(request, platform);
  if (problems.length > 0) throw complaint(request.template.name, problems);
  const { lock } = request;
  const sets = lock.packages[platformKey(platform)] ?? {};
  return {
    packages: (set) => sets[set],
    file: ({ kind, url, path, mode, owner, edits, manifest }) => {
      const entry = manifest ? lock.manifests[url] : lock.files[url];
      return { kind, path, mode, owner, edits, digest: found(entry, url).digest };
    },
    downloads: () => downloads(request, platform),
    sizedImages: () => sizedImages(request, platform),
    images: (op) => ({ kind: op.kind, runtime: op.runtime, images: plannedImages(op, lock, platform) }),
  };
}

/** What of the lock is missing or stale for a template on a platform, each once, in the order of the steps. */
export function lockProblems({ template, lock, locked = false }: LockRequest, platform: Platform): LockProblem[] {
  const problems = needsOf(template.steps, platform).flatMap((need) => problemsOf(need, { lock, locked, platform }));
  return [...new Map(problems.map((problem) => [problem.entry, problem])).values()];
}

interface Context {
  readonly lock: Lock;
  readonly locked: boolean;
  readonly platform: Platform;
}

function problemsOf(need: Need, context: Context): LockProblem[] {
  const { lock, platform } = context;
  switch (need.kind) {
    case "repository":
      return [];
    case "packages":
      return packageProblems(need, context);
    case "file":
      return lock.files[need.url] ? [] : [{ what: "missing", entry: `file ${need.url}` }];
    case "manifest": {
      const entry = lock.manifests[need.url];
      if (!entry) return [{ what: "missing", entry: `manifest ${need.url}` }];
      return entry.images.flatMap((ref) => imageProblems(ref, lock, platform));
    }
    case "container-image":
      return imageProblems(need.ref, lock, platform);
  }
}

function packageProblems(need: PackagesNeed, { lock, locked, platform }: Context): LockProblem[] {
  const key = platformKey(platform);
  const set = lock.packages[key]?.[need.set];
  const entry = `packages ${key} ${need.set}`;
  if (!set) return locked ? [{ what: "missing", entry }] : [];
  if (fits(set, need)) return [];
  const change = `${set.wants.join(" ")} are locked, ${need.names.join(" ")} are wanted`;
  return [{ what: "stale", entry: `${entry}: ${change}` }];
}

/** Order and repetition of names mean nothing. */
function fits(set: PackageSet, { names, recommends }: PackagesNeed): boolean {
  const wanted = [...new Set(names)].sort();
  return set.recommends === recommends && wanted.join(" ") === [...new Set(set.wants)].sort().join(" ");
}

function imageProblems(ref: string, lock: Lock, { arch }: Platform): LockProblem[] {
  const entry = lock.containerImages[ref];
  if (entry?.platforms[arch]) return [];
  return [{ what: "missing", entry: `container image ${ref}${entry ? ` for ${arch}` : ""}` }];
}

function plannedImages(
  { images, manifests }: Pick<LoadImages, "images" | "manifests">,
  lock: Lock,
  { arch }: Platform,
): PlannedImage[] {
  const named = manifests.flatMap((url) => found(lock.manifests[url], url).images);
  const refs = [...new Set([...images, ...named])].sort();
  return refs.map((ref) => {
    const { digest, platforms }: ImageEntry = found(lock.containerImages[ref], ref);
    return { ref, digest, manifest: found(platforms[arch], ref).manifest };
  });
}

function downloads({ template, lock }: LockRequest, platform: Platform): PlannedDownload[] {
  const fetched = template.steps.flatMap((step) => step.ops(platform)).filter((op) => op.kind === "fetch-in");
  return [...new Map(fetched.map((op) => [op.url, op.manifest])).entries()].map(([url, manifest]) => {
    const { digest, bytes } = found(manifest ? lock.manifests[url] : lock.files[url], url);
    return { url, digest, bytes };
  });
}

function sizedImages({ template, lock }: LockRequest, platform: Platform): SizedImage[] {
  const loads = template.steps.flatMap((step) => step.ops(platform)).filter((op) => op.kind === "load-images");
  const all = { images: loads.flatMap(({ images }) => images), manifests: loads.flatMap(({ manifests }) => manifests) };
  return plannedImages(all, lock, platform).map((image) => {
    const { platforms }: ImageEntry = found(lock.containerImages[image.ref], image.ref);
    return { ...image, bytes: found(platforms[platform.arch], image.ref).bytes };
  });
}

/** Everything was looked for before. */
function found<T>(entry: T | undefined, name: string): T {
  if (entry !== undefined) return entry;
  throw new KvciError("internal", `the lock has nothing for ${name}`, { hint: "Report this." });
}

function complaint(template: string, problems: readonly LockProblem[]): KvciError {
  const missing = problems.filter(({ what }) => what === "missing");
  const shown = missing.length > 0 ? missing : problems;
  const first = shown[0]?.entry ?? "";
  const more = shown.length > 1 ? ` (and ${String(shown.length - 1)} more)` : "";
  const hint = `Run \`kvci-build lock ${template}\` to resolve it, and look at what changes.`;
  const evidence = problems.length > 1 ? problems.map(({ what, entry }) => `${what}: ${entry}`) : [];
  if (missing.length > 0) {
    return new KvciError("lock-missing", `template "${template}": the lock has no ${first}${more}`, { hint, evidence });
  }
  const message = `template "${template}": stale in the lock: ${first}${more}`;
  return new KvciError("lock-stale", message, { hint, evidence });
}
