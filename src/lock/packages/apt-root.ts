import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KvciError } from "../../core/error.ts";
import { writing } from "../../core/file-system-error.ts";
import { runProgram, type ProgramOptions } from "../../host/program.ts";
import { SOLVE_TIMEOUT_MS, withSlash, type SolverOptions } from "./solver.ts";

/** A source of packages, as apt knows it. */
export interface AptSource {
  readonly name: string;
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** File of the keys that its index may be signed by. */
  readonly keyring: string;
}

/** A URI of a source, and where apt is sent for it. */
export interface AptPlace {
  readonly source: AptSource;
  /** Both end with a slash. */
  readonly uri: string;
  readonly fetchedFrom: string;
}

/** What an apt program said. */
export interface AptOutput {
  readonly stdout: string;
  /** Both streams as they came; only the end of what is long. */
  readonly all: string;
  readonly failed: boolean;
}

/** What of apt's words is kept to judge an error by, in characters. */
const KEPT_OUTPUT = 256 * 1024;

/** The host's apt on a system that is nowhere: sources, keys, indexes and a list of installed packages in a folder. */
export class AptRoot {
  readonly folder: string;
  readonly places: AptPlace[] = [];
  readonly #options: SolverOptions;

  private constructor(options: SolverOptions) {
    this.folder = join(options.folder, "root");
    this.#options = options;
  }

  /** @throws {KvciError} `store-unusable`, `store-full` */
  static async make(options: SolverOptions): Promise<AptRoot> {
    const root = new AptRoot(options);
    for (const folder of ["sources", "keys", "lists/partial", "cache/archives/partial", "parts"]) {
      const path = join(root.folder, folder);
      await writing(path, () => mkdir(path, { recursive: true }));
    }
    await root.write("apt.conf", root.#config());
    await root.setInstalled("");
    return root;
  }

  async write(name: string, content: string): Promise<string> {
    const path = join(this.folder, name);
    await writing(path, () => writeFile(path, content));
    return path;
  }

  /** The whole content of dpkg's status file. */
  async setInstalled(status: string): Promise<void> {
    await this.write("status", status);
  }

  async addSource(source: AptSource): Promise<void> {
    const places = source.uris.map((uri) => ({
      source,
      uri: withSlash(uri),
      fetchedFrom: withSlash(this.#options.rewrite(withSlash(uri))),
    }));
    this.places.push(...places);
    const text = [
      "Types: deb",
      `URIs: ${places.map(({ fetchedFrom }) => fetchedFrom).join(" ")}`,
      `Suites: ${source.suites.join(" ")}`,
      ...(source.components.length > 0 ? [`Components: ${source.components.join(" ")}`] : []),
      `Signed-By: ${source.keyring}`,
      "",
    ].join("\n");
    // apt reads them by name: as many as a template may have, in order.
    await this.write(`sources/${String(this.places.length).padStart(4, "0")}.sources`, text);
  }

  /** Reads the indexes of all sources. */
  update(): Promise<AptOutput> {
    return this.#start(["apt-get", "update", "--error-on=any", "--quiet"], { journal: this.#options.journal });
  }

  /** Runs `apt-get` or `apt-cache` in this root: much output, which nobody wants to see. */
  run(...argv: readonly [string, ...string[]]): Promise<AptOutput> {
    return this.#start(argv, {});
  }

  /** An exit status other than 0 is told, other failures are thrown. */
  async #start(argv: readonly [string, ...string[]], options: Pick<ProgramOptions, "journal">): Promise<AptOutput> {
    const { signal } = this.#options;
    let all = "";
    const onOutput = (_stream: string, text: string): void => {
      all = `${all}${text}`.slice(-KEPT_OUTPUT);
    };
    const env = { APT_CONFIG: join(this.folder, "apt.conf"), LC_ALL: "C.UTF-8", DEBIAN_FRONTEND: "noninteractive" };
    try {
      const stdout = await runProgram(argv, { ...options, signal, timeoutMs: SOLVE_TIMEOUT_MS, env, onOutput });
      return { stdout, all, failed: false };
    } catch (error) {
      if (error instanceof KvciError && error.code === "program-failed") return { stdout: "", all, failed: true };
      throw error;
    }
  }

  #config(): string {
    const { arch } = this.#options.platform;
    const list = (name: string): string => join(this.folder, name);
    const settings = {
      "Dir::State": this.folder,
      "Dir::State::status": list("status"),
      "Dir::State::lists": list("lists"),
      "Dir::State::extended_states": list("extended_states"),
      "Dir::Cache": list("cache"),
      "Dir::Log": list("log"),
      // Nothing of the host's own configuration: it is about the host.
      "Dir::Etc": this.folder,
      "Dir::Etc::sourcelist": "/dev/null",
      "Dir::Etc::sourceparts": list("sources"),
      "Dir::Etc::parts": list("parts"),
      "Dir::Etc::main": "/dev/null",
      "Dir::Etc::preferences": "/dev/null",
      "Dir::Etc::preferencesparts": list("parts"),
      "Dir::Etc::trusted": "/dev/null",
      "Dir::Etc::trustedparts": list("parts"),
      "APT::Architecture": arch,
      "Debug::NoLocking": "true",
      // Its download user may not enter a store's folder; root and others fetch as themselves.
      "APT::Sandbox::User": "root",
      "Acquire::Languages": "none",
      // The lock's digest; others are not printed then.
      "Acquire::ForceHash": "SHA256",
      "Acquire::Retries": "3",
      // apt 2.6 never comes back from waiting before it tries again, when another source is on the same server.
      "Acquire::Retries::Delay": "false",
      "Acquire::http::Timeout": "60",
      "Acquire::https::Timeout": "60",
      "Acquire::http::Proxy::127.0.0.1": "DIRECT",
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name} "${value}";`);
    return ["#clear APT::Architectures;", ...lines, `APT::Architectures { "${arch}"; };`, ""].join("\n");
  }
}
