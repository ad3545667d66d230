import { canonicalJson } from "../core/canonical-json.ts";
import { cloudImageKey, platformKey, type Lock, type PackageSet } from "../core/lock.ts";
import type { PackagesNeed } from "../core/need.ts";
import type { PackageTask } from "./lock-targets.ts";
import { entriesFor } from "./prune-lock.ts";
import type { LockTarget } from "./lock-targets.ts";
import type { LockPorts } from "./resolve-lock.ts";

/** What is asked for anew; the lock answers for the rest. */
export interface Refreshed {
  /** Cloud images, packages, and files such as signing keys. */
  readonly base: boolean;
  /** Container images and manifests. */
  readonly images: boolean;
}

/** Ports that answer from the lock what is not to be refreshed, and ask for what it does not have. */
export function refreshing(ports: LockPorts, lock: Lock, { base, images }: Refreshed): LockPorts {
  return {
    ...ports,
    cloudImage: async (image, arch) => {
      const known = base ? undefined : lock.cloudImages[cloudImageKey(image, arch)];
      return known ?? ports.cloudImage(image, arch);
    },
    packages: async (task) => (base ? undefined : knownSets(task, lock)) ?? ports.packages(task),
    file: async (url) => (base ? undefined : lock.files[url]) ?? ports.file(url),
    manifest: async (url) => {
      const known = images ? undefined : lock.manifests[url];
      return known ? { ...known, untagged: [] } : ports.manifest(url);
    },
    image: async (ref) => (images ? undefined : lock.containerImages[ref]) ?? ports.image(ref),
  };
}

/** The sets of a task, when the lock has all of them for these very wishes. */
function knownSets({ platform, needs }: PackageTask, lock: Lock): Record<string, PackageSet> | undefined {
  const sets = lock.packages[platformKey(platform)] ?? {};
  const wanted = needs.filter((need) => need.kind === "packages");
  const known = wanted.flatMap((need): [string, PackageSet][] => {
    const set = sets[need.set];
    return set && fits(set, need) ? [[need.set, set]] : [];
  });
  return known.length === wanted.length ? Object.fromEntries(known) : undefined;
}

function fits(set: PackageSet, { names, recommends }: PackagesNeed): boolean {
  const sorted = (list: readonly string[]): string => canonicalJson([...new Set(list)].sort());
  return set.recommends === recommends && sorted(set.wants) === sorted(names);
}

/** The lock without the entries that these templates wanted before and nobody wants any more. */
export function withoutOutdated(
  lock: Lock,
  { before, now }: { readonly before: readonly LockTarget[]; readonly now: readonly LockTarget[] },
): Lock {
  const [old, wanted] = [entriesFor(lock, before), entriesFor(lock, now)];
  const kept = <T>(all: Readonly<Record<string, T>>, was: object, is: object): Record<string, T> =>
    Object.fromEntries(Object.entries(all).filter(([name]) => !Object.hasOwn(was, name) || Object.hasOwn(is, name)));
  const sets = Object.entries(lock.packages).map(([platform, all]) => {
    return [platform, kept(all, old.packages[platform] ?? {}, wanted.packages[platform] ?? {})] as const;
  });
  return {
    ...lock,
    cloudImages: kept(lock.cloudImages, old.cloudImages, wanted.cloudImages),
    packages: Object.fromEntries(sets.filter(([, all]) => Object.keys(all).length > 0)),
    files: kept(lock.files, old.files, wanted.files),
    manifests: kept(lock.manifests, old.manifests, wanted.manifests),
    containerImages: kept(lock.containerImages, old.containerImages, wanted.containerImages),
  };
}
