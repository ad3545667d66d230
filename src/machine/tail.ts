/** Keeps the end of a text that may be endless. */
export class Tail {
  readonly #limit: number;
  #text = "";

  /** @param limit characters kept. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  push(text: string): void {
    this.#text += text;
    // Cut only now and then: cutting at every chunk would copy the whole tail each time.
    if (this.#text.length > 2 * this.#limit) this.#text = this.#text.slice(-this.#limit);
  }

  get text(): string {
    return this.#text.slice(-this.#limit);
  }
}
