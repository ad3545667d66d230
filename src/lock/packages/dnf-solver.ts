import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Digest } from "../../core/digest.ts";
import type { DistributionRepository } from "../../core/distribution-repositories.ts";
import { writing } from "../../core/file-system-error.ts";
import type { LockedPackage } from "../../core/lock.ts";
import type { PackagesNeed, RepositoryNeed } from "../../core/need.ts";
import type { Platform } from "../../core/platform.ts";
import { runProgram } from "../../host/program.ts";
import { readAnswer, type DnfPackage, type DnfPlace } from "./dnf-answer.ts";
import {
  keyText,
  resolvedSet,
  SOLVE_TIMEOUT_MS,
  withSlash,
  type ResolvedSet,
  type Solver,
  type SolverOptions,
} from "./solver.ts";
import { undigested } from "./unresolvable.ts";

/** The system's own, which its dnf is a library of. */
const PYTHON = "/usr/bin/python3";
const SCRIPT = join(import.meta.dirname, "solve.py");

const RPM_ARCH = { amd64: "x86_64", arm64: "aarch64", s390x: "s390x" } as const;

/** Fedora and CentOS Stream, by the host's dnf. Their own indexes are not signed, what comes by them is. */
export async function dnfSolver(options: SolverOptions): Promise<Solver> {
  const keys = join(options.folder, "keys");
  await writing(keys, () => mkdir(keys, { recursive: true }));
  const solver = new DnfSolver(options);
  for (const repository of options.baseRepositories) solver.addOwn(repository);
  return solver;
}

class DnfSolver implements Solver {
  readonly #options: SolverOptions;
  readonly #places: DnfPlace[] = [];
  /** Exact names of all packages so far. */
  readonly #earlier: string[] = [];
  readonly #names = new Set<string>();

  constructor(options: SolverOptions) {
    this.#options = options;
  }

  addOwn(repository: DistributionRepository): void {
    if ("apt" in repository) return;
    this.#addPlace({ name: repository.name, ...repository.dnf, signedIndex: false, keyFiles: [] });
  }

  async add(repository: RepositoryNeed): Promise<void> {
    const { name, dnf } = repository;
    if (!dnf) return;
    const keyFile = join(this.#options.folder, "keys", `${name}.asc`);
    const text = await keyText(repository, this.#options);
    await writing(keyFile, () => writeFile(keyFile, text));
    this.#addPlace({ name, ...dnf, keyFiles: [keyFile] });
  }

  async solve(need: PackagesNeed): Promise<ResolvedSet> {
    const specs = need.names.map((spec) => ({ name: spec.replace(/@.*/, ""), spec: spec.replace("@", "-") }));
    const answer = await this.#ask(need.set, { recommends: need.recommends, specs });
    const found = "packages" in answer ? answer.packages : [];
    const packages = found.filter(({ name }) => !this.#names.has(name));
    for (const { name, version, arch } of packages) {
      this.#names.add(name);
      this.#earlier.push(`${name}-${version}.${arch}`);
    }
    return resolvedSet(need, Object.fromEntries(packages.map((each) => [each.name, this.#locked(each)])));
  }

  async indexFiles(): Promise<readonly string[]> {
    const answer = await this.#ask("its repositories", { question: "indexes", recommends: false, specs: [] });
    const files = "files" in answer ? answer.files : [];
    return files.map(({ repository, location }) => this.#url(repository, location));
  }

  #addPlace({ baseUrl, ...place }: Omit<DnfPlace, "fetchedFrom">): void {
    const expanded = withSlash(
      Object.entries(variablesOf(this.#options.platform)).reduce(
        (url, [name, value]) => url.replaceAll(`$${name}`, value),
        baseUrl,
      ),
    );
    this.#places.push({ ...place, baseUrl: expanded, fetchedFrom: withSlash(this.#options.rewrite(expanded)) });
  }

  async #ask(
    set: string,
    request: { readonly question?: "indexes"; readonly recommends: boolean; readonly specs: readonly object[] },
  ): Promise<ReturnType<typeof readAnswer>> {
    const { folder, platform, signal } = this.#options;
    const stdin = JSON.stringify({
      question: "packages",
      ...request,
      folder,
      variables: { ...variablesOf(platform), arch: RPM_ARCH[platform.arch] },
      modulePlatform: `platform:${platform.distribution === "fedora" ? "f" : "el"}${platform.release}`,
      earlier: this.#earlier,
      repositories: this.#places.map(({ name, fetchedFrom, signedIndex, keyFiles }) => ({
        name,
        url: fetchedFrom,
        signedIndex,
        keys: keyFiles.map((file) => `file://${file}`),
      })),
    });
    const env = { LC_ALL: "C.UTF-8", no_proxy: [process.env["no_proxy"] ?? "", "127.0.0.1"].join(",") };
    const output = await runProgram([PYTHON, SCRIPT], { signal, timeoutMs: SOLVE_TIMEOUT_MS, env, stdin });
    return readAnswer(output, { set, places: this.#places });
  }

  #locked({ name, version, arch, sha256, bytes, repository, location, base }: DnfPackage): LockedPackage {
    if (sha256 === null) throw undigested(`${name} of repository "${repository}"`);
    const url =
      base === null || base === "" ? this.#url(repository, location) : new URL(location, withSlash(base)).href;
    return { version, arch, digest: `sha256:${sha256}` satisfies Digest, bytes, url };
  }

  #url(repository: string, location: string): string {
    const place = this.#places.find(({ name }) => name === repository);
    return new URL(location, place?.baseUrl).href;
  }
}

/** What repositories' URLs are completed by; `stream` is CentOS Stream's own. */
function variablesOf({ arch, distribution, release }: Platform): Readonly<Record<string, string>> {
  const stream = distribution === "centos" ? { stream: `${release}-stream` } : {};
  return { releasever: release, basearch: RPM_ARCH[arch], ...stream };
}
