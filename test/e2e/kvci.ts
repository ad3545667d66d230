import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import type { BuildEvent, StampedEvent } from "../../src/core/event.ts";
import { WARM_KIND } from "../../builders/qemu/warm-states.ts";
import { processesWith } from "../../src/host/process-table.ts";
import { shellCommand } from "../../src/machine/shell-quote.ts";
import type { Layer } from "../../src/store/layer.ts";
import { fileLayerStore } from "../../src/store/layer-store.ts";
import { E2E, linkShared, MAIN } from "./shared-store.ts";

import { templateText } from "./template-text.ts";

export { templateText };

/** Marks every process that a test starts, and all that those start. */
const MARK = "KVCI_E2E_WORKSPACE";

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly events: readonly BuildEvent[];
}

/** How kvci-build is started: with that on its standard input, or on a terminal that the test types on. */
export interface StartOptions {
  readonly stdin?: string;
  readonly terminal?: boolean;
}

/** Whether a workspace's store also has the layer of the shared base's first boot, and the machine's memory right after it. */
export interface WorkspaceOptions {
  readonly firstBoot?: boolean;
}

/** The command line of a kvci-build, within a terminal of its own where that is wanted. */
function commandOf(args: readonly string[], terminal: boolean): [string, string[]] {
  const argv = ["--disable-warning=ExperimentalWarning", MAIN, ...args];
  // `script` is in bsdutils, which every Debian has.
  if (terminal) return ["script", ["-qec", shellCommand([process.execPath, ...argv]), "/dev/null"]];
  return [process.execPath, argv];
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
    { firstBoot = false }: WorkspaceOptions = {},
  ): Promise<Workspace> {
    await mkdir(E2E, { recursive: true });
    const workspace = new Workspace(await mkdtemp(join(E2E, "workspace-")), env);
    const entries = join(workspace.store, "entries");
    await mkdir(entries, { recursive: true });
    await linkShared(entries, { firstBoot });
    for (const [name, content] of Object.entries(files)) await workspace.write(name, content);
    return workspace;
  }

  /** Writes a file of the workspace, whole. */
  write(name: string, content: string): Promise<void> {
    return writeFile(this.path(name), content);
  }

  /** Writes `<name>.ts`, a template of the base that all tests share. */
  template(name: string, ...steps: readonly string[]): Promise<void> {
    return this.write(`${name}.ts`, templateText(name, steps.join(", ")));
  }

  /** Every layer of the workspace's store. */
  layers(): Promise<Layer[]> {
    return fileLayerStore({ root: this.store }).list();
  }

  /** Folders of the store's warm states, by what they stand on: `step mark of small`. */
  async warmStates(): Promise<Map<string, string>> {
    const root = join(this.store, "entries", WARM_KIND);
    const found = new Map<string, string>();
    for (const name of await readdir(root).catch(() => [])) {
      const note = JSON.parse(await readFile(join(root, name, "entry.json"), "utf8")) as { what: string };
      found.set(note.what.replace(/^memory after /, ""), join(root, name));
    }
    return found;
  }

  /** Starts kvci-build; with `--json` among `args`, its events can be waited for. */
  start(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    { stdin, terminal = false }: StartOptions = {},
  ): Running {
    const child = spawn(...commandOf(args, terminal), {
      cwd: this.folder,
      env: { ...process.env, NO_COLOR: "1", KVCI_BUILD_STORE: this.store, ...this.#env, ...env, [MARK]: this.#id },
      stdio: [stdin !== undefined || terminal ? "pipe" : "ignore", "pipe", "pipe"],
    });
    if (stdin !== undefined) child.stdin?.end(stdin);
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
  #output = "";
  #seen = 0;
  #ended = false;
  readonly #waiting = new Set<{ wanted: (event: BuildEvent) => boolean; found: (event: BuildEvent) => void }>();

  constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.end = this.#watch();
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Types on its terminal. */
  type(keys: string): void {
    this.#child.stdin?.write(keys);
  }

  /** Waits until standard output shows `text`, behind what was waited for before; fails when the command ends without. */
  async shown(text: string): Promise<void> {
    for (;;) {
      const at = this.#output.indexOf(text, this.#seen);
      if (at >= 0) {
        this.#seen = at + text.length;
        return;
      }
      if (this.#ended) throw new Error(`ended without showing "${text}": ${this.#output.slice(-2000)}`);
      await delay(50);
    }
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
    let err = "";
    stdout.on("data", (chunk: Buffer) => (this.#output += chunk.toString()));
    createInterface({ input: stderr }).on("line", (line) => {
      err += `${line}\n`;
      const event = eventIn(line);
      if (!event) return;
      this.#events.push(event);
      for (const { wanted, found } of this.#waiting) if (wanted(event)) found(event);
    });
    const status = await new Promise<number | null>((resolve) => this.#child.once("close", resolve));
    this.#ended = true;
    return { status, stdout: this.#output, stderr: err, events: this.#events };
  }
}

function eventIn(line: string): BuildEvent | undefined {
  try {
    return (JSON.parse(line) as Partial<StampedEvent>).event;
  } catch {
    return undefined;
  }
}

/** Names of the steps that were begun. */
export function ranSteps({ events }: Pick<Ended, "events">): string[] {
  return events.flatMap((event) => (event.type === "span-started" && event.kind === "step" ? [event.name] : []));
}

/** Names of the steps whose disk was kept as a layer; `first boot` for that. */
export function keptSteps({ events }: Pick<Ended, "events">): string[] {
  return events.flatMap((event) => (event.type === "layer-kept" ? [event.step] : []));
}

/** Names of the steps after which a machine went on from its memory. */
export function restoredSteps({ events }: Pick<Ended, "events">): string[] {
  return events.flatMap((event) => (event.type === "warm-state-restored" ? [event.step] : []));
}

export function bootedMachine({ events }: Pick<Ended, "events">): boolean {
  return events.some((event) => event.type === "span-started" && event.name === "boot");
}

export function warnings({ events }: Pick<Ended, "events">): string[] {
  return events.flatMap((event) => (event.type === "warning" ? [`${event.subject}: ${event.detail}`] : []));
}
