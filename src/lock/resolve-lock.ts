import type { CloudImage } from "../core/base.ts";
import type { Journal } from "../core/journal.ts";
import {
  cloudImageKey,
  platformKey,
  type CloudImageEntry,
  type FileEntry,
  type ImageEntry,
  type Lock,
  type ManifestEntry,
  type PackageSet,
} from "../core/lock.ts";
import type { Arch } from "../core/platform.ts";
import { askAll, type Failure, type Question } from "./answers.ts";
import {
  packageTask,
  taskKey,
  wantedFiles,
  wantedImages,
  wantedManifests,
  type LockTarget,
  type PackageTask,
} from "./lock-targets.ts";
import { mergeTargets } from "./merge-lock.ts";
import type { Resolved, Undated } from "./resolved.ts";

/** Who knows what floating things are now; every function throws errors of exit status 5 for what it cannot find out. */
export interface LockPorts {
  readonly cloudImage: (image: CloudImage, arch: Arch) => Promise<CloudImageEntry>;
  /** Package sets by name. */
  readonly packages: (task: PackageTask) => Promise<Readonly<Record<string, Undated<PackageSet>>>>;
  readonly file: (url: string) => Promise<Undated<FileEntry>>;
  readonly manifest: (url: string) => Promise<Undated<ManifestEntry> & { readonly untagged: readonly string[] }>;
  /** With every architecture that the image has of those that are known. */
  readonly image: (ref: string) => Promise<Undated<ImageEntry>>;
  readonly now: () => Date;
}

export interface LockUpdate {
  /** The lock with the new entries of every template of which all could be resolved; other entries are as they were. */
  readonly lock: Lock;
  readonly failures: readonly Failure[];
  /** References without tag and digest, which are taken as `:latest`, and where they are. */
  readonly untagged: readonly { readonly ref: string; readonly manifest: string }[];
}

/** Questions asked at once: what registries and mirrors answer to one client without complaint. */
const AT_ONCE = 8;
/** Solving reads whole repositories into memory. */
const SOLVED_AT_ONCE = 2;

/** Finds out what everything that floats for `targets` is now. A template with an entry that cannot be resolved keeps all of its old ones. */
export async function resolveLock(
  lock: Lock,
  targets: readonly LockTarget[],
  { ports, journal }: { readonly ports: LockPorts; readonly journal: Journal },
): Promise<LockUpdate> {
  const resolved: Resolved = {
    cloudImages: new Map(),
    packages: new Map(),
    files: new Map(),
    manifests: new Map(),
    images: new Map(),
  };
  const untagged: { ref: string; manifest: string }[] = [];
  const failures = await askFirst(targets, { ports, journal, resolved, untagged });
  const named = [...resolved.manifests.values()].flatMap(({ images }) => images);
  const refs = [...new Set([...wantedImages(targets), ...named])].sort();
  const images = refs.map((ref) =>
    question(resolved.images, { key: ref, entry: `container image ${ref}` }, () => ports.image(ref)),
  );
  failures.push(...(await askIn(journal, "container images", { questions: images, limit: AT_ONCE })));
  const merged = mergeTargets(lock, targets, { resolved, failures, now: ports.now().toISOString() });
  return { ...merged, untagged };
}

interface Asking {
  readonly ports: LockPorts;
  readonly journal: Journal;
  readonly resolved: Resolved;
  readonly untagged: { ref: string; manifest: string }[];
}

/** Everything that does not depend on another answer. */
async function askFirst(targets: readonly LockTarget[], asking: Asking): Promise<Failure[]> {
  const { journal } = asking;
  const solved = { questions: packageQuestions(targets, asking), limit: SOLVED_AT_ONCE };
  const files = {
    questions: [...cloudQuestions(targets, asking), ...fileQuestions(targets, asking)],
    limit: AT_ONCE - SOLVED_AT_ONCE,
  };
  const found = await Promise.allSettled([
    askIn(journal, "cloud images, files and manifests", files),
    askIn(journal, "packages", solved),
  ]);
  return found.flatMap((each) => {
    if (each.status === "rejected") throw each.reason;
    return each.value;
  });
}

function askIn(
  journal: Journal,
  what: string,
  { questions, limit }: { readonly questions: readonly Question[]; readonly limit: number },
): Promise<Failure[]> {
  if (questions.length === 0) return Promise.resolve([]);
  return journal.span({ name: `resolve ${what} (${questions.length})`, kind: "phase" }, () => askAll(questions, limit));
}

function question<T>(
  into: Map<string, T>,
  { key, entry }: { readonly key: string; readonly entry: string },
  ask: () => Promise<T>,
): Question {
  return {
    key: entry,
    entry,
    ask: async () => {
      into.set(key, await ask());
    },
  };
}

function cloudQuestions(targets: readonly LockTarget[], { ports, resolved }: Asking): Question[] {
  const wanted = new Map<string, { readonly image: CloudImage; readonly arch: Arch }>();
  for (const { cloudImage: image, arch } of targets) if (image) wanted.set(cloudImageKey(image, arch), { image, arch });
  return [...wanted].map(([key, { image, arch }]) =>
    question(resolved.cloudImages, { key, entry: `cloud image ${key}` }, () => ports.cloudImage(image, arch)),
  );
}

function packageQuestions(targets: readonly LockTarget[], { ports, resolved }: Asking): Question[] {
  const tasks = new Map(
    targets.flatMap((target) => {
      const task = packageTask(target);
      return task ? [[taskKey(task), { task, template: target.template }] as const] : [];
    }),
  );
  return [...tasks].map(([key, { task, template }]) => ({
    key,
    entry: `packages ${platformKey(task.platform)} of ${template}`,
    ask: async () => {
      resolved.packages.set(key, await ports.packages(task));
    },
  }));
}

function fileQuestions(targets: readonly LockTarget[], { ports, resolved, untagged }: Asking): Question[] {
  const files = wantedFiles(targets).map((url) =>
    question(resolved.files, { key: url, entry: `file ${url}` }, () => ports.file(url)),
  );
  const manifests = wantedManifests(targets).map((url) =>
    question(resolved.manifests, { key: url, entry: `manifest ${url}` }, async () => {
      const { untagged: refs, ...entry } = await ports.manifest(url);
      untagged.push(...refs.map((ref) => ({ ref, manifest: url })));
      return entry;
    }),
  );
  return [...files, ...manifests];
}
