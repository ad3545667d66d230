/** What a stream of a step's script says: text of an op, or that an op begins or ends. */
export type ScriptSignal =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "begin"; readonly index: number }
  | { readonly kind: "end"; readonly index: number; readonly status: number };

/**
 * Takes a stream's chunks apart into text and markers. A marker may be split over chunks anywhere; text is passed on
 * as soon as it cannot be the start of one.
 */
export class MarkerParser {
  readonly #marker: RegExp;
  readonly #start: string;
  #held = "";

  constructor(nonce: string) {
    this.#start = `\u001e${nonce}`;
    this.#marker = new RegExp(`^\u001e${nonce} (begin|end) (\\d+) (\\d+)\\n`);
  }

  push(chunk: string): ScriptSignal[] {
    this.#held += chunk;
    const signals: ScriptSignal[] = [];
    for (;;) {
      const at = this.#held.indexOf("\u001e");
      if (at < 0) return this.#flushText(signals, this.#held.length);
      this.#flushText(signals, at);
      const match = this.#marker.exec(this.#held);
      if (match) {
        this.#held = this.#held.slice(match[0].length);
        signals.push(signalOf(match));
      } else if (this.#mayBecomeMarker()) {
        return signals;
      } else {
        this.#flushText(signals, 1);
      }
    }
  }

  /** What is left when the stream ends. */
  end(): ScriptSignal[] {
    return this.#flushText([], this.#held.length);
  }

  #mayBecomeMarker(): boolean {
    const { length } = this.#start;
    if (this.#held.length < length) return this.#start.startsWith(this.#held);
    // A whole marker is its start and at most " begin ", two numbers and a newline: far below 64 characters.
    return this.#held.startsWith(this.#start) && !this.#held.includes("\n") && this.#held.length < length + 64;
  }

  #flushText(signals: ScriptSignal[], length: number): ScriptSignal[] {
    if (length > 0) signals.push({ kind: "text", text: this.#held.slice(0, length) });
    this.#held = this.#held.slice(length);
    return signals;
  }
}

function signalOf(match: RegExpExecArray): ScriptSignal {
  const [, kind, index, status] = match;
  return kind === "begin"
    ? { kind, index: Number(index) }
    : { kind: "end", index: Number(index), status: Number(status) };
}
