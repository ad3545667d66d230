import { Writable } from "node:stream";
import type { StampedEvent, BuildEvent } from "../../../src/core/event.ts";
import type { Clock, Ticker } from "../../../src/journal/clock.ts";

/** A terminal that keeps what its screen and everything scrolled off above it would show. */
export class FakeTerminal extends Writable {
  readonly isTTY = true;
  columns = 80;
  rows = 24;
  cursorVisible = true;
  raw = "";
  readonly #rows: string[] = [""];
  #row = 0;
  #column = 0;

  override _write(chunk: Buffer | string, _encoding: BufferEncoding, done: () => void): void {
    const text = chunk.toString();
    this.raw += text;
    for (const part of text.match(/\u001B\[[?0-9;]*[A-Za-z]|\n|\r|[^\u001B\n\r]+/g) ?? []) this.#take(part);
    done();
  }

  /** Everything that can be read, without empty lines at the end. */
  get text(): string {
    return this.#rows
      .map((row) => row.trimEnd())
      .join("\n")
      .trimEnd();
  }

  get lines(): string[] {
    return this.text.split("\n");
  }

  #take(part: string): void {
    if (part === "\n") this.#moveTo(this.#row + 1, 0);
    else if (part === "\r") this.#column = 0;
    else if (part.startsWith("\u001B[")) this.#control(part.slice(2, -1), part.at(-1) ?? "");
    else {
      const row = (this.#rows[this.#row] ?? "").padEnd(this.#column);
      this.#rows[this.#row] = row.slice(0, this.#column) + part + row.slice(this.#column + part.length);
      this.#column += part.length;
    }
  }

  #control(parameter: string, final: string): void {
    const count = parameter === "" ? 1 : Number(parameter);
    const controls: Readonly<Record<string, () => void>> = {
      A: () => this.#moveTo(Math.max(0, this.#row - count), this.#column),
      B: () => this.#moveTo(this.#row + count, this.#column),
      G: () => (this.#column = 0),
      K: () => this.#erase(parameter === "2" ? 0 : this.#column),
      J: () => this.#eraseBelow(),
      h: () => this.#showCursor(parameter, true),
      l: () => this.#showCursor(parameter, false),
    };
    controls[final]?.();
  }

  #showCursor(parameter: string, visible: boolean): void {
    if (parameter === "?25") this.cursorVisible = visible;
  }

  #eraseBelow(): void {
    this.#erase(this.#column);
    this.#rows.length = this.#row + 1;
  }

  #erase(from: number): void {
    this.#rows[this.#row] = (this.#rows[this.#row] ?? "").slice(0, from);
  }

  #moveTo(row: number, column: number): void {
    while (this.#rows.length <= row) this.#rows.push("");
    this.#row = row;
    this.#column = column;
  }
}

/** A stream that keeps its text. */
export class TextStream extends Writable {
  text = "";

  override _write(chunk: Buffer | string, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }

  get lines(): string[] {
    return this.text.split("\n").slice(0, -1);
  }
}

/** Time that passes when a test says so; tickers run then. */
export class FakeTime {
  nowMs = 0;
  readonly #tickers: { readonly intervalMs: number; readonly work: () => void; nextMs: number }[] = [];

  readonly clock: Clock = {
    now: () => new Date(Date.UTC(2026, 0, 2, 3, 4, 5) + this.nowMs),
    monotonicMs: () => this.nowMs,
  };

  readonly ticker: Ticker = (intervalMs, work) => {
    const entry = { intervalMs, work, nextMs: this.nowMs + intervalMs };
    this.#tickers.push(entry);
    return () => {
      this.#tickers.splice(this.#tickers.indexOf(entry), 1);
    };
  };

  get tickers(): number {
    return this.#tickers.length;
  }

  pass(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      const next = this.#tickers.filter(({ nextMs }) => nextMs <= endMs).sort((a, b) => a.nextMs - b.nextMs)[0];
      if (!next) break;
      this.nowMs = next.nextMs;
      next.nextMs += next.intervalMs;
      next.work();
    }
    this.nowMs = endMs;
  }
}

/** An event as the journal of "quickstart-amd64" would stamp it, inside `span`. */
export function stamped(event: BuildEvent, span: readonly string[] = [], build = "quickstart-amd64"): StampedEvent {
  return { at: "2026-01-02T03:04:05.000Z", build, span, event };
}
