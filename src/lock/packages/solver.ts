import type { DistributionRepository } from "../../core/distribution-repositories.ts";
import type { Journal } from "../../core/journal.ts";
import type { PackageSet } from "../../core/lock.ts";
import type { PackagesNeed, RepositoryNeed } from "../../core/need.ts";
import type { Platform } from "../../core/platform.ts";

/** A set before anybody dated it. */
export type ResolvedSet = Omit<PackageSet, "resolvedAt">;

/** A package manager that installs into nothing, and tells what it would. */
export interface Solver {
  /** Counts for what is solved from now on. */
  readonly add: (repository: RepositoryNeed) => Promise<void>;
  /** What comes with these names beside everything solved before. */
  readonly solve: (need: PackagesNeed) => Promise<ResolvedSet>;
  /** URLs of the indexes of all repositories so far. */
  readonly indexFiles: () => Promise<readonly string[]>;
}

export interface SolverOptions {
  readonly platform: Platform;
  readonly baseRepositories: readonly DistributionRepository[];
  readonly rewrite: (url: string) => string;
  readonly keys: (key: { readonly file: string } | { readonly url: string }) => Promise<string>;
  /** Of the solver's own, empty. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly journal: Journal;
}

/** Reading and solving a whole distribution takes a minute on a slow host; fetching its index as long as its mirror likes. */
export const SOLVE_TIMEOUT_MS = 15 * 60_000;

/** What has been resolved, as the lock keeps it. */
export function resolvedSet({ names, recommends }: PackagesNeed, packages: ResolvedSet["packages"]): ResolvedSet {
  const sorted = Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1));
  return { wants: [...new Set(names)].sort(), recommends, packages: Object.fromEntries(sorted) };
}

/** The key of a repository that a step brings. */
export async function keyText({ signingKey }: RepositoryNeed, { keys }: Pick<SolverOptions, "keys">): Promise<string> {
  return typeof signingKey === "string" ? signingKey : keys(signingKey);
}

export function withSlash(url: string): string {
  return url.endsWith("/") ? url : `${url}/`;
}
