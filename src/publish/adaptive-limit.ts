/** How many requests may be under way, found out by what the service says: one more after each full round, half after a refusal. */
export class AdaptiveLimit {
  readonly #least: number;
  readonly #most: number;
  /** Milliseconds in which several refusals count as one: they are answers to requests sent before the first was seen. */
  readonly #calmMs: number;
  readonly #now: () => number;
  #limit: number;
  #running = 0;
  #halvedAt = -Infinity;
  readonly #waiting: (() => void)[] = [];

  constructor(options: {
    readonly start: number;
    readonly least?: number;
    readonly most: number;
    readonly calmMs?: number;
    readonly now?: () => number;
  }) {
    this.#limit = options.start;
    this.#least = options.least ?? 1;
    this.#most = options.most;
    this.#calmMs = options.calmMs ?? 1_000;
    this.#now = options.now ?? (() => performance.now());
  }

  get limit(): number {
    return Math.floor(this.#limit);
  }

  /** Waits for room; the caller gives it back by calling what is returned, once. */
  async take(): Promise<(answer: "ok" | "refused") => void> {
    while (this.#running >= this.limit) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
    this.#running += 1;
    return (answer) => {
      this.#running -= 1;
      if (answer === "ok") this.#limit = Math.min(this.#most, this.#limit + 1 / this.#limit);
      else this.refused();
      this.#wake();
    };
  }

  /** The service asked to slow down. */
  refused(): void {
    const now = this.#now();
    if (now - this.#halvedAt < this.#calmMs) return;
    this.#halvedAt = now;
    this.#limit = Math.max(this.#least, this.#limit / 2);
  }

  #wake(): void {
    for (let free = this.limit - this.#running; free > 0; free -= 1) this.#waiting.shift()?.();
  }
}
