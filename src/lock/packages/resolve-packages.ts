import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { distributionRepositories, type DistributionRepository } from "../../core/distribution-repositories.ts";
import { KvciError } from "../../core/error.ts";
import { writing } from "../../core/file-system-error.ts";
import type { Journal } from "../../core/journal.ts";
import { platformKey } from "../../core/lock.ts";
import type { PackagesNeed, RepositoryNeed } from "../../core/need.ts";
import type { Platform } from "../../core/platform.ts";
import { aptSolver } from "./apt-solver.ts";
import { dnfSolver } from "./dnf-solver.ts";
import type { ResolvedSet, Solver } from "./solver.ts";

export interface PackageResolverOptions {
  readonly platform: Platform;
  /** In the order of the steps: a repository counts for what is installed after it. */
  readonly needs: readonly (RepositoryNeed | PackagesNeed)[];
  /** Names that the base brings, the set `base`; empty for bases that come as disks. */
  readonly basePackages: readonly string[];
  /** What the system has by itself. Default: what its distribution gives it. */
  readonly baseRepositories?: readonly DistributionRepository[];
  /** Where a repository is fetched from: by the environment's mirrors. Keeps the end of what it is given. */
  readonly rewrite: (url: string) => string;
  /** The text of a signing key that is not in the template. */
  readonly keys: (key: { readonly file: string } | { readonly url: string }) => Promise<string>;
  /** An empty folder for indexes; a distribution's take some 100 MB. */
  readonly workDir: string;
  readonly signal: AbortSignal;
  readonly journal: Journal;
}

/** The lock's name for what the base brings. */
const BASE_SET = "base";

/**
 * Finds out which packages every step installs now, with all that they depend on and no step before brings: by the host's own
 * apt or dnf, which check the signatures of indexes and choose versions as those of the guest will.
 *
 * @returns package sets by name, in the order of the steps.
 * @throws {KvciError} `packages-unresolvable` naming the package and the versions there are, `signature-invalid` naming the
 *   repository, `download-failed` with the URL, `digest-mismatch` for an index that is not the signed one,
 *   `program-missing`, `interrupted`.
 */
export async function resolvePackages(options: PackageResolverOptions): Promise<Readonly<Record<string, ResolvedSet>>> {
  const solver = await solverFor(options);
  const sets = new Map<string, ResolvedSet>();
  const wanted = new Map<string, string>();
  for (const need of needsWithBase(options)) {
    if (need.kind === "repository") {
      await solver.add(need);
      continue;
    }
    const names = [...need.names].sort().join(" ");
    if (!wanted.has(need.set)) sets.set(need.set, await solver.solve(need));
    else if (wanted.get(need.set) !== names) throw ambiguous(need.set);
    wanted.set(need.set, names);
  }
  return Object.fromEntries(sets);
}

/**
 * Every index file that apt or dnf asks for to install from these repositories, by the URLs that the guest knows: with the
 * packages of the lock beside them, a copy of these is a repository.
 *
 * @throws {KvciError} as `resolvePackages`.
 */
export async function repositoryFiles(options: PackageResolverOptions): Promise<readonly string[]> {
  const solver = await solverFor(options);
  for (const need of options.needs) if (need.kind === "repository") await solver.add(need);
  return [...new Set(await solver.indexFiles())].sort();
}

function needsWithBase({ basePackages, needs }: PackageResolverOptions): readonly (RepositoryNeed | PackagesNeed)[] {
  if (basePackages.length === 0) return needs;
  return [{ kind: "packages", set: BASE_SET, names: basePackages, recommends: false }, ...needs];
}

async function solverFor(options: PackageResolverOptions): Promise<Solver> {
  const { platform, workDir, baseRepositories = distributionRepositories(platform) } = options;
  if (baseRepositories.length === 0) throw unknownSystem(platform);
  const folder = join(workDir, platform.family);
  await writing(folder, () => mkdir(folder, { recursive: true }));
  const given = { ...options, baseRepositories, folder };
  return platform.family === "apt" ? aptSolver(given) : dnfSolver(given);
}

function unknownSystem(platform: Platform): KvciError {
  return new KvciError("packages-unresolvable", `the package repositories of ${platformKey(platform)} are not known`, {
    hint: "Add them to src/core/distribution-repositories.ts, or leave packages of this template out of the lock.",
  });
}

/** Steps are named after their first packages. */
function ambiguous(set: string): KvciError {
  return new KvciError("template-invalid", `two lists of packages to install are both named "${set}"`, {
    hint: "The lock keeps one entry for each name: install them in one step, or name another package first.",
  });
}
