import type { Digest } from "../../src/core/digest.ts";
import type { BuildContext } from "./build-context.ts";

/** How often a wait says that it still lasts. */
const REPEAT_MS = 10_000;

/**
 * The layer that this build is making, so that no other build makes it too. A build holds one claim at a time and takes the next
 * before it gives the last one up, always further up its chain: builds cannot wait for each other in a circle.
 */
export class Claims implements AsyncDisposable {
  readonly #context: BuildContext;
  #held: AsyncDisposable | undefined;
  #key: Digest | undefined;

  constructor(context: BuildContext) {
    this.#context = context;
  }

  /** Claims a layer if nobody else has. */
  async take(key: Digest): Promise<boolean> {
    const lock = await this.#context.ports.store.tryLock(nameOf(key));
    if (!lock) return false;
    [this.#held, this.#key] = [lock, key];
    return true;
  }

  holds(key: Digest): boolean {
    return this.#key === key;
  }

  /** Waits until nobody makes that layer any more; then it is there, or free to be made. */
  async waitFor(key: Digest, step: string): Promise<void> {
    const lock = await this.#waitedFor(key, step);
    await lock[Symbol.asyncDispose]();
  }

  /**
   * Claims the next layer; `release` is given the last claim, to be given up once its layer is in the store.
   *
   * @returns true when somebody else had claimed it, and so may have made it meanwhile.
   */
  async moveTo(key: Digest, step: string, release: (claim: AsyncDisposable) => void): Promise<boolean> {
    const free = await this.#context.ports.store.tryLock(nameOf(key));
    const lock = free ?? (await this.#waitedFor(key, step));
    if (this.#held) release(this.#held);
    [this.#held, this.#key] = [lock, key];
    return free === undefined;
  }

  /** Hands the last claim over when nothing is left to claim. */
  end(release: (claim: AsyncDisposable) => void): void {
    if (this.#held) release(this.#held);
    this.#held = this.#key = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#held?.[Symbol.asyncDispose]();
    this.#held = this.#key = undefined;
  }

  async #waitedFor(key: Digest, step: string): Promise<AsyncDisposable> {
    const { ports, request, journal } = this.#context;
    const started = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const onWait = (holder: string): void => {
      const tell = (): void => {
        journal.emit({ type: "waiting", subject: `step ${step}`, holder, forMs: performance.now() - started });
      };
      tell();
      timer = setInterval(tell, REPEAT_MS);
    };
    try {
      return await ports.store.lock(nameOf(key), { signal: request.signal, onWait });
    } finally {
      clearInterval(timer);
    }
  }
}

function nameOf(key: Digest): string {
  return `layer-${key.replace("sha256:", "")}`;
}
