import { spawn, type ChildProcess } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { runProgram } from "../../src/host/program.ts";

const OPTIONS = { signal: new AbortController().signal, timeoutMs: 60_000 };
const ANSWER_MS = 30_000;
const LOOK_EVERY_MS = 100;

/** A real containerd with root and socket of its own, below a folder. */
export class Containerd implements AsyncDisposable {
  readonly #folder: string;
  readonly #child: ChildProcess;

  private constructor(folder: string, child: ChildProcess) {
    this.#folder = folder;
    this.#child = child;
  }

  /** Where a containerd in `folder` keeps what it has. */
  static root(folder: string): string {
    return join(folder, "root");
  }

  static async start(folder: string): Promise<Containerd> {
    await mkdir(Containerd.root(folder), { recursive: true });
    const config = join(folder, "config.toml");
    await writeFile(config, configuration(folder));
    const child = spawn("containerd", ["--config", config, "--log-level", "warn"], { stdio: "ignore" });
    const containerd = new Containerd(folder, child);
    const end = performance.now() + ANSWER_MS;
    for (;;) {
      const answer = await containerd.ctr("version").catch((error: unknown) => error);
      if (typeof answer === "string") return containerd;
      if (performance.now() > end || child.exitCode !== null) throw answer;
      await delay(LOOK_EVERY_MS);
    }
  }

  /** `ctr` in the namespace of kubelet's images. @returns its standard output. */
  ctr(...args: readonly string[]): Promise<string> {
    return runProgram(
      ["ctr", "--address", join(this.#folder, "containerd.sock"), "--namespace", "k8s.io", ...args],
      OPTIONS,
    );
  }

  /** Names of its images. */
  async images(...filters: readonly string[]): Promise<readonly string[]> {
    const listed = await this.ctr("images", "ls", "--quiet", ...filters);
    return listed.trim().split("\n").filter(Boolean).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGTERM");
    await ended;
  }
}

function configuration(folder: string): string {
  return [
    "version = 2",
    `root = "${Containerd.root(folder)}"`,
    `state = "${join(folder, "state")}"`,
    `[grpc]`,
    `address = "${join(folder, "containerd.sock")}"`,
    `[plugins."io.containerd.internal.v1.opt"]`,
    `path = "${join(folder, "opt")}"`,
    `[plugins."io.containerd.grpc.v1.cri"]`,
    `stream_server_port = "0"`,
    "",
  ].join("\n");
}
