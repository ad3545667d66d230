import { spawn, type ChildProcessByStdio } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { disposedOnError } from "../core/disposal.ts";
import { KvciError } from "../core/error.ts";
import type { Journal } from "../core/journal.ts";
import { lastLines } from "../host/last-lines.ts";
import { installHint } from "../host/programs.ts";
import type { Accelerator, BootRequest, VirtualMachine } from "./boot-request.ts";
import { consoleTail, watchConsole } from "./console-alarm.ts";
import { Qmp } from "./qmp.ts";

/** What a machine is started with. */
export interface Start {
  readonly request: BootRequest;
  readonly argv: readonly [string, ...string[]];
  readonly accelerator: Accelerator;
  /** Byte of the console log where this boot begins. */
  readonly consoleStart: number;
}

type QemuChild = ChildProcessByStdio<Writable, Readable, Readable>;

/** QEMU ends within milliseconds of `quit`; after this it is killed. */
const QUIT_MS = 5_000;

/**
 * Starts QEMU and waits until its monitor answers and the SSH forward stands.
 *
 * @throws {KvciError} `program-missing`, `guest-died` with QEMU's own words, `interrupted`
 */
export async function startQemu(start: Start, journal: Journal): Promise<VirtualMachine> {
  const { argv, request } = start;
  request.signal.throwIfAborted();
  const child = spawn(argv[0], argv.slice(1), { stdio: ["pipe", "pipe", "pipe"] });
  if (child.pid !== undefined) journal.emit({ type: "program-started", argv, pid: child.pid });
  return disposedOnError(new QemuMachine(start, child, journal), async (machine) => {
    await machine.connect();
    return machine;
  });
}

class QemuMachine implements VirtualMachine {
  readonly pid: number;
  readonly serialLog: string;
  readonly accelerator: Accelerator;
  readonly died: Promise<never>;
  sshPort = 0;
  ended = false;
  restarted = false;
  readonly #child: QemuChild;
  readonly #qmp: Qmp;
  readonly #death = Promise.withResolvers<never>();
  readonly #end = Promise.withResolvers<undefined>();
  readonly #watch = new AbortController();
  readonly #kill: () => void;
  readonly #signal: AbortSignal;
  #endExpected = false;
  #complaint = "";

  constructor({ request, argv, accelerator, consoleStart }: Start, child: QemuChild, journal: Journal) {
    this.pid = child.pid ?? 0;
    this.serialLog = request.serialLog;
    this.accelerator = accelerator;
    this.died = this.#death.promise;
    // Whoever waits for something races it with this; unobserved, it must not end the process.
    this.died.catch(() => undefined);
    this.#child = child;
    this.#qmp = new Qmp(child.stdout, child.stdin);
    this.#qmp.onEvent((event, data) => {
      if (event === "SHUTDOWN") this.restarted = data["reason"] === "guest-reset";
      if (event === "GUEST_PANICKED") void this.#die("the guest's kernel panicked");
      // QEMU stops a guest whose write found no space, and would wait for ever for somebody to make some.
      if (event === "BLOCK_IO_ERROR") this.#death.reject(diskError(data, request.workDir));
    });
    child.stderr.on("data", (chunk: Buffer) => {
      const text = chunk.toString("utf8");
      this.#complaint = `${this.#complaint}${text}`.slice(-8_192);
      journal.emit({ type: "output", stream: "stderr", text });
    });
    child.once("error", (error: NodeJS.ErrnoException) => {
      this.#died(error.code === "ENOENT" ? missing(argv[0]) : undefined, error.message);
    });
    child.once("close", (code, signal) => {
      this.#died(undefined, code === null ? `died of ${String(signal)}` : `ended with status ${String(code)}`);
    });
    void this.#watchConsole(consoleStart);
    this.#signal = request.signal;
    this.#kill = () => {
      this.#child.kill("SIGKILL");
    };
    this.#signal.addEventListener("abort", this.#kill, { once: true });
  }

  async connect(): Promise<void> {
    await Promise.race([this.#qmp.negotiate(), this.died]);
    const ask = this.qmp("human-monitor-command", { "command-line": "info usernet" });
    this.sshPort = forwardedPort(String(await Promise.race([ask, this.died])));
  }

  qmp(command: string, parameters?: Readonly<Record<string, unknown>>): Promise<unknown> {
    return this.#qmp.execute(command, parameters);
  }

  expectEnd(): void {
    this.#endExpected = true;
  }

  async waitForEnd(timeoutMs: number): Promise<boolean> {
    const timer = timeout(timeoutMs);
    try {
      return await Promise.race([this.#end.promise.then(() => true), timer.promise.then(() => false)]);
    } finally {
      timer.clear();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.expectEnd();
    this.#watch.abort();
    this.#signal.removeEventListener("abort", this.#kill);
    if (this.ended) return;
    this.#qmp.execute("quit").catch(() => undefined);
    if (await this.waitForEnd(this.#signal.aborted ? 200 : QUIT_MS)) return;
    this.#child.kill("SIGKILL");
    await this.waitForEnd(QUIT_MS);
  }

  #died(error: KvciError | undefined, how: string): void {
    if (this.ended) return;
    this.ended = true;
    this.#watch.abort();
    this.#end.resolve(undefined);
    if (error) this.#death.reject(error);
    else if (this.#signal.aborted) {
      this.#death.reject(stoppedBy(this.#signal));
    } else if (!this.#endExpected) void this.#die(this.restarted ? "the guest restarted" : `QEMU ${how}`);
  }

  async #die(cause: string): Promise<void> {
    const evidence = [...lastLines(this.#complaint, 5), ...(await consoleTail(this.serialLog, 15))];
    this.#death.reject(
      new KvciError("guest-died", cause, {
        hint: `The whole console is in ${this.serialLog}.`,
        evidence,
      }),
    );
  }

  async #watchConsole(fromByte: number): Promise<void> {
    const alarm = await watchConsole(this.serialLog, { signal: this.#watch.signal, fromByte }).catch(() => undefined);
    if (alarm) {
      // The lines that follow a panic's first one say where it happened; they come within milliseconds.
      await delay(300);
      await this.#die(`${alarm.meaning}: ${alarm.line}`);
    }
  }
}

function forwardedPort(network: string): number {
  const match = /TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)/.exec(network);
  if (match) return Number(match[1]);
  throw new KvciError("guest-died", "QEMU did not set up the forward to the guest's SSH port", {
    hint: "Is this QEMU built without user networking (libslirp)?",
    evidence: lastLines(network, 10),
  });
}

function diskError(data: Readonly<Record<string, unknown>>, folder: string): KvciError {
  const reason = typeof data["reason"] === "string" ? data["reason"] : "an input/output error";
  if (data["nospace"] !== true) {
    return new KvciError("store-unusable", `QEMU could not write the guest's disk in ${folder}: ${reason}`, {
      hint: "Check the host's disk.",
    });
  }
  return new KvciError("store-full", `no space is left for the guest's disk, in ${folder}`, {
    hint: "Free some space, or set KVCI_BUILD_STORE to a folder that has it, then run the same command again.",
    evidence: [reason],
  });
}

function missing(program: string): KvciError {
  return new KvciError("program-missing", `${program} is not installed`, { hint: installHint(program) });
}

function timeout(ms: number): { readonly promise: Promise<void>; readonly clear: () => void } {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => {
    resolve(undefined);
  }, ms);
  return {
    promise,
    clear: () => {
      clearTimeout(timer);
    },
  };
}

/** Who stopped the build says by what; a guest that goes with it has nothing to add. */
function stoppedBy({ reason }: AbortSignal): KvciError {
  if (reason instanceof KvciError) return reason;
  return new KvciError("interrupted", "the build was stopped", { hint: "Run the same command again." });
}
