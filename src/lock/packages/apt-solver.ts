import type { AptDistributionRepository, DistributionRepository } from "../../core/distribution-repositories.ts";
import type { Digest } from "../../core/digest.ts";
import { KvciError } from "../../core/error.ts";
import type { LockedPackage } from "../../core/lock.ts";
import type { PackagesNeed, RepositoryNeed } from "../../core/need.ts";
import { exists } from "../../host/exists.ts";
import { missingPackage, updateError } from "./apt-errors.ts";
import { aptIndexFiles } from "./apt-index-files.ts";
import { AptRoot, type AptPlace } from "./apt-root.ts";
import { keyText, resolvedSet, type ResolvedSet, type Solver, type SolverOptions } from "./solver.ts";
import { notOffered, undigested, unsolvable } from "./unresolvable.ts";

/** What mmdebstrap puts into every base, beside what it is told to: its variant `minbase`. */
const MINIMAL_SYSTEM = ["?essential", "?priority(required)", "apt"];

/** Debian and Ubuntu, by the host's apt. */
export async function aptSolver(options: SolverOptions): Promise<Solver> {
  const solver = new AptSolver(options, await AptRoot.make(options));
  for (const repository of options.baseRepositories) await solver.addOwn(repository);
  return solver;
}

class AptSolver implements Solver {
  readonly #options: SolverOptions;
  readonly #root: AptRoot;
  /** dpkg's word on every package so far, by name. */
  readonly #installed = new Map<string, string>();
  #isCurrent = false;

  constructor(options: SolverOptions, root: AptRoot) {
    this.#options = options;
    this.#root = root;
  }

  async addOwn(repository: DistributionRepository): Promise<void> {
    if (!("apt" in repository)) return;
    await checkKeyring(repository);
    await this.#root.addSource({ name: repository.name, ...repository.apt, keyring: repository.keyring });
    this.#isCurrent = false;
  }

  async add(repository: RepositoryNeed): Promise<void> {
    const { name, apt } = repository;
    if (!apt) return;
    const keyring = await this.#root.write(`keys/${name}.asc`, await keyText(repository, this.#options));
    await this.#root.addSource({ name, ...apt, keyring });
    this.#isCurrent = false;
  }

  async solve(need: PackagesNeed): Promise<ResolvedSet> {
    await this.#update();
    const minimal = need.set === "base" ? MINIMAL_SYSTEM : [];
    const specs = [...minimal, ...need.names.map((name) => name.replace("@", "="))];
    const recommends = `APT::Install-Recommends=${String(need.recommends)}`;
    const output = await this.#root.run("apt-get", "install", "--print-uris", "--yes", "-o", recommends, ...specs);
    if (output.failed) {
      const missing = missingPackage(output);
      if (!missing) throw unsolvable(need.set, output.all);
      throw notOffered(missing, { offered: await this.#versions(missing.name), set: need.set });
    }
    const packages = Object.fromEntries(printedPackages(output.stdout, this.#root.places));
    await this.#take(packages);
    return resolvedSet(need, packages);
  }

  async indexFiles(): Promise<readonly string[]> {
    await this.#update();
    return aptIndexFiles(this.#root, this.#options.platform.arch);
  }

  async #update(): Promise<void> {
    if (this.#isCurrent) return;
    const output = await this.#root.update();
    if (output.failed) throw updateError(output, this.#root.places);
    this.#isCurrent = true;
  }

  async #versions(name: string): Promise<readonly string[]> {
    const { stdout } = await this.#root.run("apt-cache", "madison", name);
    const versions = stdout.split("\n").map((line) => line.split("|")[1]?.trim() ?? "");
    return [...new Set(versions.filter((version) => version !== ""))];
  }

  /** From now on these are there: what is solved next leaves them out. */
  async #take(packages: ResolvedSet["packages"]): Promise<void> {
    const specs = Object.entries(packages).map(([name, { version }]) => `${name}=${version}`);
    if (specs.length === 0) return;
    const { stdout } = await this.#root.run("apt-cache", "show", ...(specs as [string, ...string[]]));
    for (const stanza of stdout.split(/\n\n+/)) {
      const name = /^Package: (.+)$/m.exec(stanza)?.[1];
      if (name === undefined) continue;
      this.#installed.set(name, stanza.trim().replace(/^(Package: .+)$/m, "$1\nStatus: install ok installed"));
    }
    await this.#root.setInstalled([...this.#installed.values(), ""].join("\n\n"));
  }
}

async function checkKeyring({ name, keyring, keyringPackages }: AptDistributionRepository): Promise<void> {
  if (await exists(keyring)) return;
  throw new KvciError("signature-invalid", `the keys of repository "${name}" are not on this host: no ${keyring}`, {
    hint: `Install ${keyringPackages}.`,
  });
}

/** `'URL' file size SHA256:…`, where the file's name is name, version and architecture. */
const PRINTED = /^'([^']+)' (\S+) (\d+) SHA256:([0-9a-f]{64})$/;

type Named = readonly [name: string, found: LockedPackage];

function printedPackages(stdout: string, places: readonly AptPlace[]): readonly Named[] {
  const lines = stdout.split("\n").filter((line) => line.startsWith("'"));
  return lines.map((line) => printedPackage(line, places));
}

function printedPackage(line: string, places: readonly AptPlace[]): Named {
  const [, url = "", file = "", bytes, sha256] = PRINTED.exec(line) ?? [];
  const [name, version, arch] = file
    .replace(/\.deb$/, "")
    .split("_")
    .map(decodeURIComponent);
  if (name === undefined || version === undefined || arch === undefined) throw undigested(line);
  return [
    name,
    { version, arch, digest: `sha256:${sha256}` as Digest, bytes: Number(bytes), url: canonical(url, places) },
  ];
}

/** Where a repository has a file, from where it was to be fetched. */
function canonical(url: string, places: readonly AptPlace[]): string {
  const place = places.find(({ fetchedFrom }) => url.startsWith(fetchedFrom));
  const found = new URL(place ? `${place.uri}${url.slice(place.fetchedFrom.length)}` : url);
  // apt writes %2b for "+": a copy of the repository is a folder of files by their names.
  found.pathname = decodeURIComponent(found.pathname);
  return found.href;
}
