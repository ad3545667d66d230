import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { BuildEvent, StampedEvent } from "../../src/core/event.ts";
import { processesWith } from "../../src/host/process-table.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const MAIN = join(ROOT, "src/cli/main.ts");
/** Kept from run to run: the base made from packages is in it. */
export const STORE = process.env["KVCI_E2E_STORE"] ?? join(ROOT, ".kvci/e2e/store");
/** Marks every process that a test starts, and all that those start. */
const MARK = "KVCI_E2E_WORKSPACE";

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly events: readonly BuildEvent[];
}

/** A folder with templates, from which kvci-build is started as a user would. */
export class Workspace {
  readonly folder: string;
  readonly #id = randomUUID();
  readonly #env: Readonly<Record<string, string>>;

  private constructor(folder: string, env: Readonly<Record<string, string>>) {
    this.folder = folder;
    this.#env = env;
  }

  static async create(
    files: Readonly<Record<string, string>>,
    env: Readonly<Record<string, string>> = {},
  ): Promise<Workspace> {
    const parent = join(ROOT, ".kvci/e2e");
    await mkdir(parent, { recursive: true });
    const folder = await mkdtemp(join(parent, "workspace-"));
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
    return new Workspace(folder, env);
  }

  /** Starts kvci-build; with `--json` among `args`, its events can be waited for. */
  start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", MAIN, ...args], {
      cwd: this.folder,
      env: { ...process.env, NO_COLOR: "1", KVCI_BUILD_STORE: STORE, ...this.#env, ...env, [MARK]: this.#id },
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

/** What a run that ended leaves in the store: nothing of its own. */
export async function leftInStore(store = STORE): Promise<string[]> {
  const [runs, tmp] = await Promise.all(["runs", "tmp"].map((name) => readdir(join(store, name))));
  return [...(runs ?? []), ...(tmp ?? [])];
}
