import { setTimeout as sleep } from "node:timers/promises";
import { KvciError } from "../../src/core/error.ts";
import type { AwsCaller } from "../../src/aws/aws-caller.ts";
import type { ImageState } from "./image-state.ts";
import { imageIds, lookupsIn } from "./lookups.ts";

interface Round {
  readonly ids: ReadonlySet<string>;
  readonly began: number;
  readonly images: Promise<ReadonlyMap<string, ImageState>>;
}

export interface WatchOptions {
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

/** The first look comes at once, the last ones this far apart: copies take minutes, and a region asks to be left in peace. */
const LONGEST_MS = 30_000;
const SHORTEST_MS = 250;
const UNDER_WAY = new Set(["pending", "transient"]);

/** Waits for images. Those that are waited for in one region are asked for in one call. */
export class ImageWatch {
  readonly #caller: AwsCaller;
  /** Ids that are waited for, by region; an id as often as it is waited for. */
  readonly #awaited = new Map<string, string[]>();
  readonly #rounds = new Map<string, Round>();

  constructor(caller: AwsCaller) {
    this.#caller = caller;
  }

  /**
   * @returns the image, once it is available.
   * @throws {KvciError} `publish-failed` past the deadline or when AWS gives the image up, with its reason; `interrupted`.
   */
  async available(image: { readonly region: string; readonly id: string }, options: WatchOptions): Promise<ImageState> {
    const { region, id } = image;
    const awaited = this.#awaited.get(region) ?? [];
    this.#awaited.set(region, awaited);
    awaited.push(id);
    try {
      return await this.#wait(image, options);
    } finally {
      awaited.splice(awaited.indexOf(id), 1);
    }
  }

  async #wait(image: { readonly region: string; readonly id: string }, options: WatchOptions): Promise<ImageState> {
    const end = performance.now() + options.deadlineMs;
    let seen = "not visible";
    for (let pause = SHORTEST_MS; ; pause = Math.min(LONGEST_MS, pause * 2)) {
      const found = await this.#look(image, options.signal);
      if (found) {
        if (found.state === "available") return found;
        if (!UNDER_WAY.has(found.state)) throw givenUp(image, found);
        seen = found.state;
      }
      const waitMs = pause * (0.5 + Math.random());
      if (performance.now() + waitMs > end) throw late(image, seen, options.deadlineMs);
      await sleep(waitMs, undefined, { signal: options.signal }).catch(() => undefined);
      if (options.signal.aborted) throw stopped(image);
    }
  }

  async #look(
    { region, id }: { readonly region: string; readonly id: string },
    signal: AbortSignal,
  ): Promise<ImageState | undefined> {
    const last = this.#rounds.get(region);
    if (last?.ids.has(id) && performance.now() - last.began < SHORTEST_MS) return (await last.images).get(id);
    const ids = new Set(this.#awaited.get(region));
    const images = lookupsIn(region, this.#caller, { signal })
      .images(imageIds([...ids]))
      .then((found) => new Map(found.map((image) => [image.id, image])));
    this.#rounds.set(region, { ids, began: performance.now(), images });
    return (await images).get(id);
  }
}

function givenUp({ region, id }: { readonly region: string; readonly id: string }, image: ImageState): KvciError {
  return new KvciError("publish-failed", `${id} in ${region} is ${image.state}`, {
    hint: "Run the same command again; what failed is made anew. `kvci-build publish gc` removes the remains.",
    evidence: image.reason === null ? [] : [image.reason],
  });
}

function late({ region, id }: { readonly region: string; readonly id: string }, state: string, ms: number): KvciError {
  return new KvciError(
    "publish-failed",
    `${id} in ${region} is still ${state} after ${String(Math.round(ms / 60_000))} min`,
    {
      hint: "Copies go on by themselves: run the same command again later.",
    },
  );
}

function stopped({ region, id }: { readonly region: string; readonly id: string }): KvciError {
  return new KvciError("interrupted", `${id} in ${region}: stopped waiting`, {
    hint: "Run the same command again; it goes on where it stopped.",
  });
}
