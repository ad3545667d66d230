import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TargetInput } from "../../src/core/target.ts";
import type { PublishedImage } from "../../src/publish/publisher.ts";
import { startAws, type AwsCounterpart } from "../counterparts/aws/start-aws.ts";
import { startGcp, type GcpCounterpart } from "../counterparts/gcp/start-gcp.ts";
import { oras } from "./oras.ts";
import { RegistryTestWorld } from "./registry-world.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** AWS, Google Cloud and a registry on loopback, and a folder from which kvci-build is started as a user would. */
export class PublishCliWorld implements AsyncDisposable {
  readonly folder: string;
  readonly aws: AwsCounterpart;
  readonly gcp: GcpCounterpart;
  readonly registry: RegistryTestWorld;

  private constructor(of: Pick<PublishCliWorld, "folder" | "aws" | "gcp" | "registry">) {
    this.folder = of.folder;
    this.aws = of.aws;
    this.gcp = of.gcp;
    this.registry = of.registry;
  }

  static async start(): Promise<PublishCliWorld> {
    const folder = await mkdtemp(join(tmpdir(), "kvci-publish-cli-"));
    await mkdir(join(folder, "registry"));
    await oras(new AbortController().signal);
    const refuse = (): Promise<never> => Promise.reject(new TypeError("Server.InternalError: no room"));
    const [aws, gcp] = await Promise.all([startAws({ onRunInstance: refuse }), startGcp()]);
    return new PublishCliWorld({ folder, aws, gcp, registry: await RegistryTestWorld.start(join(folder, "registry")) });
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  /** The first registry's `node`, Google Cloud with a family, AWS with a copy and another account that may use it. */
  get targets(): readonly TargetInput[] {
    const prices = { asOf: "2026-11-01", usd: { "GiB-months of snapshots": 0.05, "GiB between regions": 0.02 } };
    const shared = { accounts: ["210987654321"], ssmPrefix: "/kvci/{template}" };
    return [
      { kind: "aws", regions: ["eu-west-1"], bestEffortRegions: ["eu-west-2"], ...shared, prices },
      { kind: "gcp", project: "kvci-project", bucket: "kvci-bucket", family: "node-{arch}", keep: 0 },
      {
        kind: "registry",
        repository: `${this.registry.fronts[0].host}/kvci/{template}`,
        image: "layered-disk",
        floatingTags: ["latest"],
      },
    ];
  }

  /** Writes an environment. @returns how `--env` names it. */
  async environment(name: string, publishTo: readonly TargetInput[] = this.targets): Promise<string> {
    const text = `import { defineEnvironment } from "kvci-build";\nexport default defineEnvironment(${JSON.stringify({ publishTo })});\n`;
    await writeFile(this.path(`${name}.ts`), text);
    return `./${name}.ts`;
  }

  run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    return this.start(args, env).end;
  }

  /** Starts kvci-build as a process of its own, with a store of its own. */
  start(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): { readonly end: Promise<Ended>; readonly kill: (signal: NodeJS.Signals) => void } {
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", MAIN, "publish", ...args], {
      cwd: this.folder,
      env: {
        PATH: process.env["PATH"],
        HOME: this.folder,
        XDG_CACHE_HOME: process.env["XDG_CACHE_HOME"] ?? join(process.env["HOME"] ?? this.folder, ".cache"),
        NO_COLOR: "1",
        KVCI_BUILD_STORE: this.path("store"),
        ...this.aws.env,
        ...this.gcp.env,
        REGISTRY_AUTH_FILE: this.registry.authFile,
        SSL_CERT_FILE: this.registry.certificate,
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const said = { stdout: "", stderr: "" };
    child.stdout.on("data", (chunk: Buffer) => (said.stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (said.stderr += chunk.toString()));
    const end = once(child, "close").then(() => ({ status: child.exitCode, ...said }));
    return { end, kill: (signal) => void child.kill(signal) };
  }

  /** The list that publishing leaves in `out`. */
  async published(): Promise<readonly PublishedImage[]> {
    const text = await readFile(this.path("out", "published-images.json"), "utf8");
    return (JSON.parse(text) as { images: PublishedImage[] }).images;
  }

  /** Calls that changed something, or would have. */
  get mutations(): number {
    return this.aws.mutatingCalls().length + this.gcp.mutatingCalls().length + this.registry.fronts[0].mutations.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.registry[Symbol.asyncDispose]();
    await this.aws.close();
    await this.gcp.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
