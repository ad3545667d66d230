import { canonicalJson } from "../core/canonical-json.ts";
import { KvciError } from "../core/error.ts";
import { cloudImageKey, platformKey, type Lock, type PackageSet } from "../core/lock.ts";
import type { Failure } from "./answers.ts";
import {
  BASE_SET,
  packageTask,
  taskKey,
  wantedFiles,
  wantedImages,
  wantedManifests,
  type LockTarget,
} from "./lock-targets.ts";
import type { Resolved, Undated } from "./resolved.ts";

interface Merging {
  readonly resolved: Resolved;
  readonly failures: readonly Failure[];
  /** Date of new entries, ISO 8601. */
  readonly now: string;
}

/**
 * The lock with what was found out for the templates that nothing is missing for. All or nothing per template: half of a new
 * Kubernetes version beside half of an old one would be a lock that nobody has built from.
 */
export function mergeTargets(
  lock: Lock,
  targets: readonly LockTarget[],
  merging: Merging,
): { readonly lock: Lock; readonly failures: readonly Failure[] } {
  const more: Failure[] = [];
  const failed = new Set(merging.failures.map(({ key }) => key));
  const sets = new PackageSets();
  const taken: LockTarget[] = [];
  for (const group of byTemplate(targets)) {
    const own = [
      ...group.flatMap((target) => absentPlatforms(target, merging.resolved)),
      ...sets.offer(group, merging.resolved),
    ];
    more.push(...own.filter(({ key }) => !more.some((each) => each.key === key)));
    const isWhole =
      own.length === 0 && !group.some((target) => keysOf(target, merging.resolved).some((key) => failed.has(key)));
    if (isWhole) taken.push(...group);
  }
  return { lock: withEntries(lock, taken, merging), failures: [...merging.failures, ...more] };
}

function byTemplate(targets: readonly LockTarget[]): LockTarget[][] {
  return [...Map.groupBy(targets, ({ template }) => template).values()];
}

/** Keys of the questions whose answers a target needs. */
function keysOf(target: LockTarget, resolved: Resolved): string[] {
  const { cloudImage, arch } = target;
  const task = packageTask(target);
  return [
    ...(cloudImage ? [`cloud image ${cloudImageKey(cloudImage, arch)}`] : []),
    ...(task ? [taskKey(task)] : []),
    ...wantedFiles([target]).map((url) => `file ${url}`),
    ...wantedManifests([target]).map((url) => `manifest ${url}`),
    ...imagesOf(target, resolved).map((ref) => `container image ${ref}`),
  ];
}

/** Those of its steps, and those of the manifests that could be read. */
function imagesOf(target: LockTarget, { manifests }: Resolved): string[] {
  const named = wantedManifests([target]).flatMap((url) => manifests.get(url)?.images ?? []);
  return [...new Set([...wantedImages([target]), ...named])];
}

function absentPlatforms(target: LockTarget, resolved: Resolved): Failure[] {
  const { arch } = target;
  return imagesOf(target, resolved).flatMap((ref) => {
    const entry = resolved.images.get(ref);
    if (!entry || entry.platforms[arch]) return [];
    const there = Object.keys(entry.platforms).join(", ");
    const error = new KvciError("image-missing", `${ref} is not made for ${arch}`, {
      hint: `Take another image or tag, or leave ${arch} out of the template's arches.`,
      evidence: [`it is made for ${there === "" ? "none of the architectures known here" : there}`],
    });
    return [{ key: `container image ${ref} ${arch}`, entry: `container image ${ref}`, error }];
  });
}

function withEntries(lock: Lock, targets: readonly LockTarget[], { resolved, now }: Merging): Lock {
  const cloudKeys = targets.flatMap(({ cloudImage, arch }) => (cloudImage ? [cloudImageKey(cloudImage, arch)] : []));
  const refs = targets.flatMap((target) => imagesOf(target, resolved));
  const sets = new PackageSets();
  for (const group of byTemplate(targets)) sets.offer(group, resolved);
  return {
    ...lock,
    cloudImages: updated(lock.cloudImages, { found: resolved.cloudImages, keys: cloudKeys, now }),
    packages: withSets(lock.packages, sets, now),
    files: updated(lock.files, { found: resolved.files, keys: wantedFiles(targets), now }),
    manifests: updated(lock.manifests, { found: resolved.manifests, keys: wantedManifests(targets), now }),
    containerImages: updated(lock.containerImages, { found: resolved.images, keys: refs, now }),
  };
}

/** A section with the entries of `keys` as found; one that came out the same keeps its date, so that no news is the same file. */
function updated<T extends { readonly resolvedAt: string }>(
  section: Readonly<Record<string, T>>,
  {
    found,
    keys,
    now,
  }: { readonly found: ReadonlyMap<string, Undated<T>>; readonly keys: readonly string[]; readonly now: string },
): Record<string, T> {
  const entries = keys.flatMap((key) => {
    const entry = found.get(key);
    return entry ? [[key, dated(section[key], entry, now)] as const] : [];
  });
  return { ...section, ...Object.fromEntries(entries) };
}

function dated<T extends { readonly resolvedAt: string }>(old: T | undefined, entry: Undated<T>, now: string): T {
  const fresh = { ...entry, resolvedAt: now } as T;
  return old && undated(old) === undated(fresh) ? old : fresh;
}

function undated(entry: object): string {
  return canonicalJson({ ...entry, resolvedAt: "" });
}

/**
 * Package sets of several templates. A set of the same name and wishes in two of them may leave out different packages, because
 * different sets come before it; together they are what either needs.
 */
class PackageSets {
  readonly #sets = new Map<string, Map<string, Undated<PackageSet>>>();

  /** Takes the sets of one template; those that contradict what is there are named instead, and nothing of the template is taken. */
  offer(targets: readonly LockTarget[], resolved: Resolved): Failure[] {
    const offered = targets.flatMap((target) => setsOf(target, resolved));
    const failures = offered.flatMap((each) => this.#contradiction(each));
    if (failures.length === 0) for (const each of offered) this.#take(each);
    return failures;
  }

  [Symbol.iterator](): IterableIterator<[string, ReadonlyMap<string, Undated<PackageSet>>]> {
    return this.#sets.entries();
  }

  #take({ platform, name, set }: OfferedSet): void {
    const sets = this.#sets.get(platform) ?? new Map<string, Undated<PackageSet>>();
    const there = sets.get(name);
    const wants = [...new Set([...(there?.wants ?? []), ...set.wants])].sort();
    this.#sets.set(platform, sets.set(name, { ...set, wants, packages: { ...there?.packages, ...set.packages } }));
  }

  #contradiction({ platform, name, set, template }: OfferedSet): Failure[] {
    const there = this.#sets.get(platform)?.get(name);
    if (!there || (agrees(there, set) && (name === BASE_SET || wishes(there) === wishes(set)))) return [];
    const entry = `packages ${platform} ${name}`;
    const error = new KvciError(
      "template-invalid",
      `step "${name}" of "${template}" installs other packages than in other templates`,
      {
        hint: "The lock has one set for a step's name and a platform: give the step another name in one of the templates.",
        evidence: [`here:  ${set.wants.join(" ")}`, `there: ${there.wants.join(" ")}`],
      },
    );
    return [{ key: `${entry} ${template}`, entry, error }];
  }
}

interface OfferedSet {
  readonly template: string;
  readonly platform: string;
  readonly name: string;
  readonly set: Undated<PackageSet>;
}

function setsOf(target: LockTarget, { packages }: Resolved): OfferedSet[] {
  const task = packageTask(target);
  const sets = (task && packages.get(taskKey(task))) ?? {};
  const platform = platformKey(target.platform);
  return Object.entries(sets).map(([name, set]) => ({ template: target.template, platform, name, set }));
}

/** Bases of one release may be made of different packages; what they have in common is one version for all. */
function agrees(a: Undated<PackageSet>, b: Undated<PackageSet>): boolean {
  const common = Object.keys(a.packages).filter((name) => Object.hasOwn(b.packages, name));
  return common.every((name) => same(a.packages[name], b.packages[name]));
}

function wishes({ wants, recommends }: Undated<PackageSet>): string {
  return canonicalJson({ wants: [...wants].sort(), recommends });
}

function same(a: unknown, b: unknown): boolean {
  return canonicalJson(a ?? null) === canonicalJson(b ?? null);
}

function withSets(old: Lock["packages"], sets: PackageSets, now: string): Lock["packages"] {
  const changed = [...sets].map(([platform, named]) => {
    const before = old[platform] ?? {};
    const after = [...named].map(([name, set]) => [name, freshSet(before[name], set, now)] as const);
    return [platform, { ...before, ...Object.fromEntries(after) }] as const;
  });
  return { ...old, ...Object.fromEntries(changed) };
}

/** An old set that has all of the new one stays: what it has beyond it, another template needs. */
function freshSet(old: PackageSet | undefined, set: Undated<PackageSet>, now: string): PackageSet {
  const holds =
    old &&
    wishes(old) === wishes(set) &&
    Object.entries(set.packages).every(([name, each]) => same(old.packages[name], each));
  return holds ? old : { ...set, resolvedAt: now };
}
