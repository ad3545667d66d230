import { KvciError, messageOf } from "../../src/core/error.ts";
import type { Journal } from "../../src/core/journal.ts";
import type { Draft, Layer, LayerFacts, LayerStore } from "../../src/store/layer.ts";

/**
 * Takes closed layers into the store one after another, lowest first, while the guest goes on with the next step. A layer is
 * hashed at some 500 MB/s, which the guest's own work mostly hides.
 *
 * Ctrl-C does not stop it: what a step did is worth the second that remembering it takes.
 */
export class LayerQueue {
  readonly #layers: LayerStore;
  readonly #adopted: Layer[] = [];
  #tail: Promise<void> = Promise.resolve();
  #failure: unknown;

  constructor(layers: LayerStore) {
    this.#layers = layers;
  }

  adopt(draft: Draft, facts: LayerFacts, journal: Journal): void {
    this.#tail = this.#tail.then(async () => {
      // A layer whose parent could not be kept would stand on nothing.
      if (this.#failure !== undefined) return;
      try {
        const layer = await this.#layers.adopt(draft, facts, new AbortController().signal);
        this.#adopted.push(layer);
        journal.emit({ type: "layer-kept", step: facts.step, key: layer.key, bytes: layer.bytes });
      } catch (error) {
        this.#failure = error;
      }
    });
  }

  /** Runs `work`, which does not fail, when everything queued so far was adopted, or could not be. */
  after(work: (adopted: boolean) => Promise<void>): void {
    this.#tail = this.#tail.then(() => work(this.#failure === undefined));
  }

  /**
   * Waits for the queue to be empty.
   *
   * @returns the layers taken over, in order.
   * @throws {KvciError} of the first that could not be taken over: `store-full`, `store-unusable`
   */
  async settled(): Promise<readonly Layer[]> {
    await this.#tail;
    if (this.#failure === undefined) return this.#adopted;
    throw this.#failure instanceof KvciError
      ? this.#failure
      : new KvciError("store-unusable", `a layer could not be kept: ${messageOf(this.#failure)}`, {
          hint: "Check the store's disk.",
          cause: this.#failure,
        });
  }
}
