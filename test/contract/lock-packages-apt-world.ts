import { cpSync, rmSync, writeFileSync } from "node:fs";
import type { Step } from "../../src/core/step.ts";
import { installPackages, packageRepository } from "../../src/steps/index.ts";
import { debian } from "../src/steps/golden.ts";
import { aptRepository, type DebPackage } from "../world/apt-repository.ts";
import { signingKey, type SigningKey } from "../world/signing-key.ts";
import { PackageWorld } from "./lock-packages-world.ts";

export const KUBERNETES = "https://pkgs.example.org/v1.31/deb/";
export const DISTRIBUTION = "http://archive.example.org/debian/";

/** Packages of one version, named as the real ones. */
export const kubernetes = (version: string, files: Readonly<Record<string, string>> = {}): readonly DebPackage[] => [
  { name: "kubelet", version, arch: "amd64", depends: ["kubernetes-cni (>= 1.2)", "socat"], files },
  { name: "kubeadm", version, arch: "amd64", depends: ["cri-tools (>= 1.31)"] },
  { name: "kubectl", version, arch: "amd64" },
];

export const kubelet = installPackages(["kubelet@1.31.14-*", "kubeadm@1.31.14-*"]);
export const kubectl = installPackages(["kubectl@1.31.14-*", "socat"]);

/** A distribution's repository and one of Kubernetes', signed by one key; and a key that signs neither. */
export class AptWorld implements AsyncDisposable {
  readonly world: PackageWorld;
  readonly key: SigningKey;
  readonly stranger: SigningKey;

  private constructor(world: PackageWorld, key: SigningKey, stranger: SigningKey) {
    this.world = world;
    this.key = key;
    this.stranger = stranger;
  }

  static async make(): Promise<AptWorld> {
    const [key, stranger] = await Promise.all([signingKey(), signingKey("Stranger <stranger@example.org>")]);
    const keyring = `${key.gpgHome}/distribution.asc`;
    writeFileSync(keyring, key.publicKey);
    const apt = { uris: [DISTRIBUTION], suites: ["bookworm"], components: ["main"] };
    const world = new PackageWorld(debian, [{ name: "archive", apt, keyring, keyringPackages: "none" }]);
    await world.start();
    const made = new AptWorld(world, key, stranger);
    const socat: DebPackage = { name: "socat", version: "1.7.4.4-2", arch: "amd64", recommends: ["doc-base"] };
    const packages = [socat, { name: "doc-base", version: "1" }];
    await aptRepository(world.at(DISTRIBUTION), { packages, key, suite: "bookworm" });
    await made.publish([
      ...kubernetes("1.31.13-1.1"),
      ...kubernetes("1.31.14-1.1"),
      ...kubernetes("1.32.1-1.1"),
      { name: "cri-tools", version: "1.31.1-1.1", arch: "amd64" },
      { name: "kubernetes-cni", version: "1.5.1-1.1", arch: "amd64" },
    ]);
    cpSync(world.at(KUBERNETES), made.#pristine, { recursive: true, preserveTimestamps: true });
    return made;
  }

  get #pristine(): string {
    return `${this.world.folder}/pristine`;
  }

  repository(publicKey = this.key.publicKey): Step {
    return packageRepository({ name: "kubernetes", signingKey: publicKey, apt: { uris: [KUBERNETES], suites: ["/"] } });
  }

  /** A repository, and two steps that install from it. */
  get steps(): readonly Step[] {
    return [this.repository(), kubelet, kubectl];
  }

  /** Adds packages to Kubernetes' repository, or replaces them, and signs its index anew. */
  publish(packages: readonly DebPackage[], key = this.key): Promise<void> {
    return aptRepository(this.world.at(KUBERNETES), { packages, key });
  }

  /** Takes back what a test did to Kubernetes' repository. */
  reset(): void {
    this.world.intercept = undefined;
    rmSync(this.world.at(KUBERNETES), { recursive: true });
    cpSync(this.#pristine, this.world.at(KUBERNETES), { recursive: true, preserveTimestamps: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
    await Promise.all([this.key[Symbol.asyncDispose](), this.stranger[Symbol.asyncDispose]()]);
  }
}
