import { join } from "node:path";
import type { AnyPublisher } from "../../src/publish/plan.ts";
import type { ReleaseBuild } from "../../src/publish/publisher.ts";
import type { RegistryFront } from "../counterparts/registry/registry-front.ts";
import { scratchFolder } from "../src/oci/small-image.ts";
import { oras } from "./oras.ts";
import { LAYER_SIZES, layerFiles, publishableBuild } from "./publish-build.ts";
import { testPublisher, type TestRegistry } from "./publish-registry-setup.ts";
import { RegistryTestWorld } from "./registry-world.ts";

type Target = Parameters<typeof testPublisher>[0];

/** What tests of publishing to a registry begin with: registries behind fronts, a build, and its versions. */
export class RegistryRelease implements AsyncDisposable {
  readonly world: RegistryTestWorld;
  readonly front: RegistryFront;
  readonly path: string;
  /** Of the layers that versions share. */
  readonly files: Readonly<Record<string, string>>;
  readonly build: ReleaseBuild;
  readonly #oras: string;
  readonly #remove: () => Promise<void>;

  private constructor(
    of: Pick<RegistryRelease, "world" | "path" | "files" | "build"> & {
      readonly oras: string;
      readonly remove: () => Promise<void>;
    },
  ) {
    this.world = of.world;
    [this.front] = of.world.fronts;
    this.path = of.path;
    this.files = of.files;
    this.build = of.build;
    this.#oras = of.oras;
    this.#remove = of.remove;
  }

  static async start(): Promise<RegistryRelease> {
    const program = await oras(new AbortController().signal);
    const { path, remove } = await scratchFolder();
    const world = await RegistryTestWorld.start(path);
    const files = await layerFiles(join(path, "files"), LAYER_SIZES);
    const build = await publishableBuild({ folder: join(path, "v1"), chain: chainOf(files) });
    return new RegistryRelease({ world, path, files, build, oras: program, remove });
  }

  /** Fronts that count from nothing and break nothing. */
  reset(): void {
    for (const each of this.world.fronts) {
      each.reset();
      each.referrers = undefined;
    }
  }

  storeOf(name: string): string {
    return join(this.path, `store-${name}`);
  }

  /** @param repository on the first registry, unless the target names another. */
  publisher(
    repository: string,
    {
      store = repository.replaceAll("/", "-"),
      ports = {},
      ...target
    }: Partial<Target> & {
      readonly store?: string;
      readonly ports?: Partial<TestRegistry>;
    } = {},
  ): Promise<AnyPublisher> {
    const { authFile, certificate } = this.world;
    const own = { image: "layered-disk", name: "registry", repository: `${this.front.host}/${repository}` } as const;
    const registry = { storeRoot: this.storeOf(store), authFile, certificate, oras: this.#oras };
    return testPublisher({ ...own, ...target }, { ...registry, ...ports });
  }

  /** The same base with a last layer of its own. */
  async nextVersion(name: string): Promise<ReleaseBuild> {
    const { own = "" } = await layerFiles(join(this.path, `files-${name}`), { own: LAYER_SIZES.own });
    const chain = chainOf({ ...this.files, own });
    return publishableBuild({ folder: join(this.path, name), chain, version: name });
  }

  async digestOf(repository: string): Promise<string> {
    return (await this.world.ask(this.front, `${repository}/manifests/1.0`)).digest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
    await this.#remove();
  }
}

export function chainOf({ base = "", kubernetes = "", own = "" }: Readonly<Record<string, string>>): string[] {
  return [base, kubernetes, own];
}

/** For the reader of the test's output. */
export function figure(text: string): void {
  process.stdout.write(`      ${text}\n`);
}
