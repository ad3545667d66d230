/** A set of whole numbers, kept as ranges: blocks are acknowledged nearly in order, so there are few. */
export class IndexRanges {
  /** Sorted, disjoint, never touching; both ends belong to a range. */
  readonly #ranges: [number, number][] = [];
  #size = 0;

  /** @param text what `toString` gave; a text that is none gives the empty set. */
  static parse(text: unknown): IndexRanges {
    const set = new IndexRanges();
    if (typeof text !== "string" || !/^(?:\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*)?$/.test(text)) return set;
    for (const part of text.split(",").filter((each) => each !== "")) {
      const [from = 0, to = from] = part.split("-").map(Number);
      for (let index = from; index <= to; index += 1) set.add(index);
    }
    return set;
  }

  get size(): number {
    return this.#size;
  }

  has(index: number): boolean {
    const range = this.#ranges[this.#below(index)];
    return range !== undefined && index <= range[1];
  }

  add(index: number): void {
    if (this.has(index)) return;
    const at = this.#below(index) + 1;
    this.#ranges.splice(at, 0, [index, index]);
    this.#size += 1;
    this.#join(at);
    this.#join(at - 1);
  }

  /** Makes one range of a range and the next, where they touch. */
  #join(at: number): void {
    const [left, right] = [this.#ranges[at], this.#ranges[at + 1]];
    if (!left || !right || left[1] + 1 !== right[0]) return;
    left[1] = right[1];
    this.#ranges.splice(at + 1, 1);
  }

  /** `0-511,600`: compact enough for a line of a ledger. */
  toString(): string {
    return this.#ranges.map(([from, to]) => (from === to ? String(from) : `${String(from)}-${String(to)}`)).join(",");
  }

  /** The last range that begins at or before `index`; -1 when there is none. */
  #below(index: number): number {
    let [low, high] = [0, this.#ranges.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle]?.[0] ?? Infinity) <= index) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
