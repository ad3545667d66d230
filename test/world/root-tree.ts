import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { ImageOp } from "../../src/core/op.ts";
import { command } from "./command.ts";

/** Kept between test files and runs: what is tested is not in it. */
const ARCHIVE = join(import.meta.dirname, "../../.kvci/tests/debian-12-dnf.tar");

/** Root of the tree's own users: really, or in a user namespace. */
const AS_ROOT: readonly [string, ...string[]] =
  process.getuid?.() === 0 ? ["unshare"] : ["unshare", "--map-root-user", "--map-auto"];

/** How a command in a tree ended. */
export interface Ended {
  readonly status: number | null;
  /** Both streams as they came. */
  readonly output: string;
}

/** The root file system of a small Debian 12 that has both apt and dnf, without any repository. Not booted: no services. */
export class RootTree implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Makes a tree from the distribution's mirror once, then copies of it. */
  static async make(): Promise<RootTree> {
    if (!existsSync(ARCHIVE)) await makeArchive();
    const folder = await mkdtemp(join(tmpdir(), "kvci-tree-"));
    const tree = new RootTree(join(folder, "root"));
    await mkdir(tree.path);
    await command([...AS_ROOT, "tar", "-xf", ARCHIVE, "-C", tree.path, "--exclude=./dev/*"]);
    await tree.must("sh", "-c", "rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/yum.repos.d");
    return tree;
  }

  /** Runs a command in the tree, with the host's network. */
  run(argv: readonly string[], stdin = ""): Promise<Ended> {
    const enter = 'mount -t proc proc "$0/proc"; mount --rbind /dev "$0/dev"; exec chroot "$0" "$@"';
    const [file, ...args]: readonly [string, ...string[]] = [
      ...AS_ROOT,
      "--mount",
      "--pid",
      "--fork",
      "sh",
      "-ec",
      enter,
      this.path,
      ...argv,
    ];
    const env = {
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      HOME: "/root",
      LC_ALL: "C.UTF-8",
    };
    return new Promise((resolve, reject) => {
      const child = spawn(file, args, { env, timeout: 100_000 });
      let output = "";
      for (const stream of [child.stdout, child.stderr]) {
        stream.on("data", (text: Buffer) => {
          output += text.toString();
        });
      }
      child.once("error", reject);
      child.once("close", (status) => resolve({ status, output }));
      // A command that reads nothing may be gone before.
      child.stdin.on("error", () => undefined).end(stdin);
    });
  }

  /** `run` of what has to succeed. @returns its output. */
  async must(...argv: readonly string[]): Promise<string> {
    const { status, output } = await this.run(argv);
    if (status !== 0) throw new Error(`${argv.join(" ")} exited ${status}:\n${output}`);
    return output;
  }

  /** Does what ops do, up to the first command that fails. @returns how that one, or the last, ended. */
  async apply(ops: readonly ImageOp[]): Promise<Ended> {
    let output = "";
    for (const op of ops) {
      if (op.kind === "write-file") await this.write(op.path, op.content, op.mode);
      else if (op.kind !== "run") throw new TypeError(`a tree takes no ${op.kind}`);
      else {
        const ended = await this.run(op.argv);
        output += ended.output;
        if (ended.status !== 0) return { status: ended.status, output };
      }
    }
    return { status: 0, output };
  }

  async write(path: string, content: string, mode = 0o644): Promise<void> {
    const script = 'mkdir -p "$1"; cat > "$2"; chmod "$3" "$2"';
    const { status, output } = await this.run(
      ["sh", "-ec", script, "sh", dirname(path), path, mode.toString(8)],
      content,
    );
    if (status !== 0) throw new Error(`${path} cannot be written: ${output}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await command([...AS_ROOT, "rm", "-rf", dirname(this.path)]);
  }
}

async function makeArchive(): Promise<void> {
  await mkdir(dirname(ARCHIVE), { recursive: true });
  const part = `${ARCHIVE}.part.tar`;
  const exclude = ["man", "info", "locale", "doc"].map((each) => `--dpkgopt=path-exclude=/usr/share/${each}/*`);
  const mode = process.getuid?.() === 0 ? "root" : "unshare";
  await command(["mmdebstrap", `--mode=${mode}`, "--variant=apt", ...exclude, "--include=dnf,rpm", "bookworm", part]);
  await rename(part, ARCHIVE);
}
