import { execFile, spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { packagesBase } from "../../builders/packages/packages-base.ts";
import { packages } from "../../src/core/base.ts";
import { defineEnvironment } from "../../src/core/environment.ts";
import type { BuildEvent, StampedEvent } from "../../src/core/event.ts";
import { silentJournal } from "../../src/core/journal.ts";
import { processesWith } from "../../src/host/process-table.ts";
import { openStore } from "../../src/store/file-store.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const MAIN = join(ROOT, "src/cli/main.ts");
const E2E = join(ROOT, ".kvci/e2e");
/** Kept from run to run, for the base that is made from packages. Workspaces have stores of their own with links to it. */
const SHARED_STORE = process.env["KVCI_E2E_STORE"] ?? join(E2E, "store");
/** Marks every process that a test starts, and all that those start. */
const MARK = "KVCI_E2E_WORKSPACE";

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly events: readonly BuildEvent[];
}

/** Makes the base all tests build on, unless it is there; tests that run at once wait for one of them. */
async function sharedBase(): Promise<void> {
  const signal = new AbortController().signal;
  const store = await openStore(SHARED_STORE, { runId: randomUUID(), description: "the tests" });
  const bases = packagesBase({ store, signal, journal: silentJournal, environment: defineEnvironment({}) });
  await bases.provide(packages({ distribution: "debian", release: "12" }), "amd64");
}

/** A folder with templates and a store, from which kvci-build is started as a user would. */
export class Workspace {
  readonly folder: string;
  readonly store: string;
  readonly #id = randomUUID();
  readonly #env: Readonly<Record<string, string>>;

  private constructor(folder: string, env: Readonly<Record<string, string>>) {
    this.folder = folder;
    this.store = join(folder, "store");
    this.#env = env;
  }

  static async create(
    files: Readonly<Record<string, string>>,
    env: Readonly<Record<string, string>> = {},
  ): Promise<Workspace> {
    await mkdir(E2E, { recursive: true });
    await sharedBase();
    const workspace = new Workspace(await mkdtemp(join(E2E, "workspace-")), env);
    await mkdir(workspace.store);
    // What is in a store is never written again, so links are as good as copies.
    await promisify(execFile)("cp", ["-al", join(SHARED_STORE, "entries"), workspace.store]);
    for (const [name, content] of Object.entries(files)) await writeFile(join(workspace.folder, name), content);
    return workspace;
  }

  /** Starts kvci-build; with `--json` among `args`, its events can be waited for. */
  start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", MAIN, ...args], {
      cwd: this.folder,
      env: { ...process.env, NO_COLOR: "1", KVCI_BUILD_STORE: this.store, ...this.#env, ...env, [MARK]: this.#id },
      stdio: ["ignore", "pipe", "pipe"],
    });
    return new Running(child);
  }

  run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    return this.start(args, env).end;
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  /** What was started here and is still running. */
  processes(): Promise<{ readonly pid: number; readonly command: string }[]> {
    return processesWith(`${MARK}=${this.#id}`);
  }

  /** What ended runs left in the store: nothing of their own, it is hoped. */
  async leftovers(): Promise<string[]> {
    const [runs, tmp] = await Promise.all(["runs", "tmp"].map((name) => readdir(join(this.store, name))));
    return [...(runs ?? []), ...(tmp ?? [])];
  }

  async remove(): Promise<void> {
    for (const { pid } of await this.processes()) process.kill(pid, "SIGKILL");
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A started kvci-build. */
export class Running {
  readonly pid: number;
  readonly end: Promise<Ended>;
  readonly #child: ChildProcess;
  readonly #events: BuildEvent[] = [];
  readonly #waiting = new Set<{ wanted: (event: BuildEvent) => boolean; found: (event: BuildEvent) => void }>();

  constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.end = this.#watch();
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** The first event of that kind, past or to come; fails when the command ends without. */
  async event(wanted: (event: BuildEvent) => boolean): Promise<BuildEvent> {
    const past = this.#events.find(wanted);
    if (past) return past;
    const { promise, resolve } = Promise.withResolvers<BuildEvent>();
    const waiter = { wanted, found: resolve };
    this.#waiting.add(waiter);
    const ended = this.end.then(({ status, stderr }) => {
      throw new Error(`ended with ${String(status)} before the event: ${stderr.slice(-2000)}`);
    });
    return Promise.race([promise, ended]);
  }

  /** The start of a phase, step or build of that name. */
  started(name: string): Promise<BuildEvent> {
    return this.event((event) => event.type === "span-started" && event.name === name);
  }

  async #watch(): Promise<Ended> {
    const { stdout, stderr } = this.#child;
    if (!stdout || !stderr) throw new Error("no pipes");
    let [out, err] = ["", ""];
    stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    createInterface({ input: stderr }).on("line", (line) => {
      err += `${line}\n`;
      const event = eventIn(line);
      if (!event) return;
      this.#events.push(event);
      for (const { wanted, found } of this.#waiting) if (wanted(event)) found(event);
    });
    const status = await new Promise<number | null>((resolve) => this.#child.once("close", resolve));
    return { status, stdout: out, stderr: err, events: this.#events };
  }
}

function eventIn(line: string): BuildEvent | undefined {
  try {
    return (JSON.parse(line) as Partial<StampedEvent>).event;
  } catch {
    return undefined;
  }
}

/** A template on the base that all tests share, with the given steps. */
export function templateText(name: string, steps: string, more = ""): string {
  return `import { copyIn, defineStep, defineTemplate, packages, reboot, run, waitFor, writeFile } from "kvci-build";
export default defineTemplate({
  name: ${JSON.stringify(name)},
  base: packages({ distribution: "debian", release: "12" }),
  disk: { sizeGiB: 3 },
  machine: { memoryMiB: 1024, cpus: 2 },
  steps: [${steps}],
  ${more}
});
`;
}
