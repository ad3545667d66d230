import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "../../src/core/digest.ts";
import { parseLock, type Lock } from "../../src/core/lock.ts";
import { RegistryWorld } from "../world/registry.ts";
import { fill } from "../world/small-images.ts";
import { staticServer, type StaticServer } from "../world/static-server.ts";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
export const DISK = "a disk image";

interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A template that floats in every way but packages, and what it floats on: file servers and a registry. */
export class LockWorld {
  readonly folder: string;
  readonly registry: RegistryWorld;
  readonly upstream: StaticServer;
  readonly images: readonly string[];

  private constructor(of: {
    folder: string;
    registry: RegistryWorld;
    upstream: StaticServer;
    images: readonly string[];
  }) {
    this.folder = of.folder;
    this.registry = of.registry;
    this.upstream = of.upstream;
    this.images = of.images;
  }

  static async start(): Promise<LockWorld> {
    const folder = await mkdtemp(join(tmpdir(), "kvci-lock-"));
    await mkdir(join(folder, "registry"));
    const registry = await RegistryWorld.start(join(folder, "registry"));
    const images = await fill(registry, [
      { name: "k8s/pause:3.10", layers: ["base"], platforms: "index" },
      { name: "flannel/flannel:v1", layers: ["base", "flannel"] },
      { name: "flannel/plugin:v1", layers: ["base", "plugin"], format: "v2s2" },
    ]);
    const upstream = await staticServer(join(folder, "upstream"));
    const world = new LockWorld({ folder, registry, upstream, images });
    await world.serve("cloud.example/disk.raw", DISK);
    await world.serve("files.example/crictl.tgz", "crictl 1.31");
    await world.serve("files.example/flannel.yaml", world.flannel("v1"));
    await world.write("environments/site.ts", environmentText({ mirrors: world.mirrors }));
    await world.write("templates/node.ts", world.template("node", ""));
    return world;
  }

  get mirrors(): Record<string, string[]> {
    const hosts = ["cloud.example", "files.example"];
    return Object.fromEntries(hosts.map((host) => [`https://${host}/`, [`${this.upstream.url}/${host}/`]]));
  }

  /** A manifest that names two images of the registry. */
  flannel(version: string): string {
    const [, flannel = "", plugin = ""] = this.images;
    return [
      "apiVersion: apps/v1",
      "kind: DaemonSet",
      `metadata: { name: flannel, labels: { version: ${version} } }`,
      `spec: { template: { spec: { containers: [{ image: "${flannel}" }], initContainers: [{ image: "${plugin}" }] } } }`,
      "",
    ].join("\n");
  }

  template(name: string, step: string): string {
    const [pause = ""] = this.images;
    const edit =
      '{ object: { kind: "DaemonSet", name: "flannel" }, path: ["metadata", "labels", "site"], value: "here" }';
    return `import { cloudImage, defineStep, defineTemplate, fetchIn, fetchManifest, loadImages } from "kvci-build";
const manifest = "https://files.example/flannel.yaml";
export default defineTemplate({
  name: "${name}",
  base: cloudImage({ distribution: "debian", release: "12", url: "https://cloud.example/disk.raw", digest: "${sha256(DISK)}" }),
  steps: [
    defineStep("files", [fetchIn("https://files.example/crictl.tgz", "/opt/crictl.tgz"), fetchManifest(manifest, "/opt/flannel.yaml", [${edit}])]),
    defineStep("images", [loadImages("containerd", { images: ["${pause}"], manifests: [manifest] })]),
    ${step}
  ],
});
`;
  }

  async write(path: string, content: string): Promise<void> {
    await mkdir(join(this.folder, path, ".."), { recursive: true });
    await writeFile(join(this.folder, path), content);
  }

  serve(path: string, content: string): Promise<void> {
    return this.write(`upstream/${path}`, content);
  }

  /** Runs kvci-build in the world's folder. */
  async run(...args: readonly string[]): Promise<Ended> {
    const env = { ...process.env, ...this.registry.env, KVCI_BUILD_STORE: join(this.folder, "store"), NO_COLOR: "1" };
    return new Promise((resolve) => {
      const argv = ["--disable-warning=ExperimentalWarning", MAIN, ...args];
      const child = execFile(process.execPath, argv, { cwd: this.folder, env }, (_error, stdout, stderr) => {
        resolve({ status: child.exitCode ?? -1, stdout, stderr });
      });
    });
  }

  get lockPath(): string {
    return join(this.folder, "kvci-build.lock.json");
  }

  async lock(): Promise<Lock> {
    return parseLock(JSON.parse(await readFile(this.lockPath, "utf8")), this.lockPath);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.upstream[Symbol.asyncDispose]();
    await this.registry[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}

export function environmentText(environment: object): string {
  return `import { defineEnvironment } from "kvci-build";\nexport default defineEnvironment(${JSON.stringify(environment)});\n`;
}
