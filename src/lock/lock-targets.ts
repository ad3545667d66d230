import type { CloudImage } from "../core/base.ts";
import { canonicalJson } from "../core/canonical-json.ts";
import type { Need, PackagesNeed, RepositoryNeed } from "../core/need.ts";
import type { Arch, Platform } from "../core/platform.ts";

/** One template on one architecture, as the lock sees it. */
export interface LockTarget {
  readonly template: string;
  readonly arch: Arch;
  readonly platform: Platform;
  /** The cloud image at the end of its chain, unless a digest is given for it. */
  readonly cloudImage: CloudImage | undefined;
  /** Packages that the base is made of; empty where it comes as a disk. */
  readonly basePackages: readonly string[];
  /** Of the whole chain of templates, lowest first, in the order of the steps. */
  readonly needs: readonly Need[];
  /** The folder that its paths are relative to. */
  readonly dir: string;
}

/** What is resolved together, because every set leaves out what those before it bring. */
export interface PackageTask {
  readonly platform: Platform;
  readonly basePackages: readonly string[];
  readonly needs: readonly (RepositoryNeed | PackagesNeed)[];
  /** For signing keys that are files. */
  readonly dir: string;
}

/** The lock's name for the packages that a base is made of. */
export const BASE_SET = "base";

/** @returns undefined when no packages are installed by name. */
export function packageTask({ platform, basePackages, needs, dir }: LockTarget): PackageTask | undefined {
  const relevant = needs.filter((need) => need.kind === "repository" || need.kind === "packages");
  if (basePackages.length === 0 && !relevant.some(({ kind }) => kind === "packages")) return undefined;
  return { platform, basePackages, needs: relevant, dir };
}

/** Templates that want the same of the same platform share the answer. */
export function taskKey(task: PackageTask): string {
  return canonicalJson(task);
}

/** URLs of files, each once: signing keys that are named by URL are files, too. */
export function wantedFiles(targets: readonly LockTarget[]): string[] {
  return unique(
    targets.flatMap(({ needs }) =>
      needs.flatMap((need) => {
        if (need.kind === "file") return [need.url];
        return need.kind === "repository" ? keyUrl(need) : [];
      }),
    ),
  );
}

function keyUrl({ signingKey }: RepositoryNeed): string[] {
  return typeof signingKey === "object" && "url" in signingKey ? [signingKey.url] : [];
}

export function wantedManifests(targets: readonly LockTarget[]): string[] {
  return unique(targets.flatMap(({ needs }) => needs.flatMap((need) => (need.kind === "manifest" ? [need.url] : []))));
}

/** References that steps name themselves; manifests name more. */
export function wantedImages(targets: readonly LockTarget[]): string[] {
  return unique(
    targets.flatMap(({ needs }) => needs.flatMap((need) => (need.kind === "container-image" ? [need.ref] : []))),
  );
}

function unique(items: readonly string[]): string[] {
  return [...new Set(items)].sort();
}
