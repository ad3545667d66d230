import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentJournal } from "../../src/core/journal.ts";
import type { PlannedImage } from "../../src/core/op.ts";
import { fetchImages, type FetchedImage, type FetchOptions } from "../../src/images/fetch-images.ts";
import type { RegistryAccess } from "../../src/images/registries-conf.ts";
import { resolveImage } from "../../src/images/resolve-image.ts";
import { openStore } from "../../src/store/file-store.ts";
import type { Store } from "../../src/store/store.ts";
import { RegistryWorld } from "../world/registry.ts";
import { fill, type SmallImage } from "../world/small-images.ts";

export const { signal } = new AbortController();

/** A registry with images in it, the images as a lock would have them, and a store of the test's own. */
export class ImagesWorld implements AsyncDisposable {
  readonly registry: RegistryWorld;
  /** By name, as planned; their references lead through the gate. */
  readonly images: ReadonlyMap<string, PlannedImage>;
  readonly #folder: string;
  #stores = 0;

  private constructor(folder: string, registry: RegistryWorld, images: ReadonlyMap<string, PlannedImage>) {
    this.#folder = folder;
    this.registry = registry;
    this.images = images;
  }

  static async start(content: readonly SmallImage[]): Promise<ImagesWorld> {
    const folder = await mkdtemp(join(tmpdir(), "kvci-images-"));
    const registry = await RegistryWorld.start(await mkdtemp(join(folder, "registry-")));
    await fill(registry, content);
    const images = new Map<string, PlannedImage>();
    for (const { name } of content) {
      const ref = `${registry.gate.host}/${name}`;
      const { digest, platforms } = await resolveImage(ref, { access: { env: registry.env }, signal });
      images.set(name, { ref, digest, manifest: platforms.amd64?.manifest ?? digest });
    }
    registry.gate.reset();
    return new ImagesWorld(folder, registry, images);
  }

  get access(): RegistryAccess {
    return { env: this.registry.env };
  }

  image(name: string): PlannedImage {
    const found = this.images.get(name);
    if (!found) throw new Error(`no image ${name}`);
    return found;
  }

  store(): Promise<Store> {
    this.#stores += 1;
    return openStore(join(this.#folder, `store-${String(this.#stores)}`), { runId: "test", description: "the test" });
  }

  /** An empty folder, gone with the world. */
  scratch(): Promise<string> {
    return mkdtemp(join(this.#folder, "scratch-"));
  }

  fetch(
    images: readonly PlannedImage[],
    options: Partial<FetchOptions> & { readonly store: Store },
  ): Promise<readonly FetchedImage[]> {
    const source = { kind: "registries", access: this.access } as const;
    return fetchImages(images, { source, signal, journal: silentJournal, ...options });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.registry[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
