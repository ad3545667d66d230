import type { BuildRequest, ImageDisk } from "../core/builder.ts";
import type { Environment } from "../core/environment.ts";
import { digestOfValue } from "../core/digest.ts";
import type { Journal } from "../core/journal.ts";
import type { PlannedImage } from "../core/op.ts";
import type { Plan } from "../core/plan.ts";
import { fetchImages, uniqueBytes, type FetchedImage } from "../images/fetch-images.ts";
import { writeImageDisk } from "../images/image-disk.ts";
import type { ImageSource } from "../images/image-source.ts";
import { writeRegistriesConf } from "../images/registries-conf.ts";
import { writeStoreDisk } from "../containerd/store-disk.ts";
import { checkImageBudget } from "../pipeline/layer-budget.ts";
import type { Store } from "../store/store.ts";

export interface ImageDiskOptions {
  readonly plan: Plan;
  /** So many of the plan's first steps have a layer: what they import is not fetched. */
  readonly cachedSteps: number;
  readonly environment: Pick<Environment, "registries" | "baseUrl">;
  /** Added to the environment of programs that fetch: proxies, certificates. */
  readonly env: Readonly<Record<string, string>>;
  readonly store: Store;
  /** Keeps items of the store, paths relative to its root, from being removed while this run lasts. */
  readonly pin: (items: readonly string[]) => Promise<void>;
  readonly signal: AbortSignal;
  readonly journal: Journal;
}

/**
 * Makes the disks that take a build's container images into its guest. What the build is going to import is fetched from now on,
 * beside everything else; disposal ends that.
 */
export class ImageDisks implements AsyncDisposable {
  readonly #options: ImageDiskOptions;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  #fetching: Promise<readonly FetchedImage[]> | undefined;

  constructor(options: ImageDiskOptions) {
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
    const images = importedImages(options.plan, options.cachedSteps);
    if (images.length > 0) void this.#start(images);
  }

  /** See `BuildRequest`. A fetch that failed is tried once more by the next call. */
  readonly imageDisk: BuildRequest["imageDisk"] = async (images, journal, containerd): Promise<ImageDisk> => {
    const begun = this.#fetching;
    const fetched = begun && fitting(images, await this.#ended(begun));
    const all = fetched ?? (await this.#ended(this.#start(images)));
    const wanted = fitting(images, all) ?? all;
    const context = { store: this.#options.store, signal: this.#signal, journal };
    return (containerd && (await writeStoreDisk(wanted, containerd, context))) ?? writeImageDisk(wanted, context);
  };

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#fetching?.catch(() => undefined);
  }

  #start(images: readonly PlannedImage[]): Promise<readonly FetchedImage[]> {
    const fetching = this.#fetch(images);
    // Whoever wants the disk learns of a failure; until then it must not end the process.
    fetching.catch(() => undefined);
    this.#fetching = fetching;
    return fetching;
  }

  async #ended(fetching: Promise<readonly FetchedImage[]>): Promise<readonly FetchedImage[]> {
    try {
      return await fetching;
    } catch (error) {
      this.#fetching = undefined;
      throw error;
    }
  }

  async #fetch(images: readonly PlannedImage[]): Promise<readonly FetchedImage[]> {
    const { store, plan, pin, journal } = this.#options;
    const folder = await store.temporaryFolder("registries");
    try {
      await pin(images.flatMap(({ digest, manifest }) => [digest, manifest]).map(blobItem));
      const source = await this.#source(folder.path);
      const beforeBlobs = async (found: readonly FetchedImage[]): Promise<void> => {
        checkImageBudget(plan, (wanted) => uniqueBytes(among(found, wanted)));
        await pin(found.flatMap(({ blobs }) => blobs).map(({ digest }) => blobItem(digest)));
      };
      return await fetchImages(images, { store, source, signal: this.#signal, journal, beforeBlobs });
    } finally {
      await folder[Symbol.asyncDispose]();
    }
  }

  async #source(folder: string): Promise<ImageSource> {
    const { environment, env } = this.#options;
    if (environment.baseUrl !== undefined) {
      return { kind: "layout", url: `${environment.baseUrl.replace(/\/$/, "")}/images` };
    }
    return { kind: "registries", access: { ...(await writeRegistriesConf(environment, folder)), env } };
  }
}

/** Every image that steps from `from` on import, each once. */
function importedImages({ disk }: Plan, from: number): readonly PlannedImage[] {
  const ops = disk.steps.slice(from).flatMap((step) => step.ops);
  const images = ops.flatMap((op) => (op.kind === "load-images" ? op.images : []));
  return [...new Map(images.map((image) => [digestOfValue(image), image])).values()];
}

/** What was fetched of `wanted`; undefined when that is not all of it. */
function fitting(
  wanted: readonly PlannedImage[],
  fetched: readonly FetchedImage[],
): readonly FetchedImage[] | undefined {
  const found = among(fetched, wanted);
  return found.length === wanted.length ? found : undefined;
}

function among(fetched: readonly FetchedImage[], wanted: readonly PlannedImage[]): readonly FetchedImage[] {
  const known = new Map(fetched.map((each) => [digestOfValue(each.image), each]));
  return wanted.flatMap((image) => known.get(digestOfValue(image)) ?? []);
}

function blobItem(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`;
}
