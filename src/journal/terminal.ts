import { stripVTControlCharacters } from "node:util";
import type { StampedEvent } from "../core/event.ts";
import { systemClock, systemTicker, type Clock, type Ticker } from "./clock.ts";
import { noticeOf } from "./notice.ts";
import { streamPaint, type Paint } from "./paint.ts";
import type { Sink } from "./sink.ts";
import { applyEvent, createNode, type SpanNode } from "./span-tree.ts";
import { finishedLines, frameLines, phasesOf, type BuildView, type FrameOptions } from "./terminal-frame.ts";
import { textWidth, wrapText } from "./text-width.ts";

/** What of a terminal is used; `process.stderr` is one. */
export type TerminalStream = NodeJS.WritableStream & { readonly columns?: number; readonly rows?: number };

export interface TerminalOptions {
  readonly stream: TerminalStream;
  /** Names of the steps of a build, in order, for `3/7`. */
  readonly stepsOf?: ((build: string) => readonly string[] | undefined) | undefined;
  /** Give every build a block with a heading. */
  readonly severalBuilds?: boolean | undefined;
  readonly clock?: Clock | undefined;
  readonly ticker?: Ticker | undefined;
  readonly paint?: Paint | undefined;
  /** Calls `work` when the process ends, unless the returned function is called before. */
  readonly onExit?: ((work: () => void) => () => void) | undefined;
}

/** Ten frames a second: smooth, and cheap over a slow line. */
const FRAME_MS = 100;
const SPINNER = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"] as const;
const HIDE_CURSOR = "\u001B[?25l";
const SHOW_CURSOR = "\u001B[?25h";

/**
 * Shows builds live: what is finished stays as lines with a mark and a duration, what runs is redrawn below. `close`
 * puts whatever is still open on the screen and gives the cursor back; so does the end of the process.
 */
export async function terminalSink(options: TerminalOptions): Promise<Sink> {
  const { createLogUpdate } = await import("log-update");
  return new TerminalSink(options, createLogUpdate(options.stream, { showCursor: true }));
}

/** The part of log-update that is used. */
interface LiveArea {
  (text: string): void;
  clear(): void;
  done(): void;
  persist(text: string): void;
}

class TerminalSink implements Sink {
  readonly #options: TerminalOptions;
  readonly #area: LiveArea;
  readonly #clock: Clock;
  readonly #paint: Paint;
  readonly #builds = new Map<string, BuildView>();
  /** Builds whose name is on the screen. */
  readonly #named = new Set<string>();
  readonly #release: () => void;
  #finished: string[] = [];
  #frame: readonly string[] = [];
  #frames = 0;
  #closed = false;
  #suspended = false;

  constructor(options: TerminalOptions, area: LiveArea) {
    this.#options = options;
    this.#area = area;
    this.#clock = options.clock ?? systemClock;
    this.#paint = options.paint ?? streamPaint(options.stream);
    const stopTicking = (options.ticker ?? systemTicker)(FRAME_MS, () => {
      this.#draw();
    });
    const resized = (): void => {
      this.#redraw();
    };
    const forget = (options.onExit ?? onProcessExit)(() => options.stream.write(SHOW_CURSOR));
    options.stream.on("resize", resized);
    options.stream.write(HIDE_CURSOR);
    this.#release = () => {
      stopTicking();
      forget();
      options.stream.off("resize", resized);
    };
  }

  write(stamped: StampedEvent): void {
    if (this.#closed) return;
    const view = this.#view(stamped.build);
    const notice = noticeOf(stamped.event);
    if (notice) this.#announce(view, notice);
    const ended = applyEvent(view.root, stamped, this.#clock.monotonicMs());
    if (ended) this.#end(view, ended);
  }

  suspend(): () => void {
    this.#draw();
    this.#area.clear();
    this.#area.done();
    this.#frame = [];
    this.#suspended = true;
    this.#options.stream.write(SHOW_CURSOR);
    return () => {
      this.#suspended = false;
      if (!this.#closed) this.#options.stream.write(HIDE_CURSOR);
    };
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    this.#suspended = false;
    this.#release();
    for (const view of this.#builds.values()) this.#abandon(view);
    this.#builds.clear();
    this.#draw();
    this.#area.clear();
    this.#area.done();
    this.#options.stream.write(SHOW_CURSOR);
    return Promise.resolve();
  }

  #view(build: string): BuildView {
    const known = this.#builds.get(build);
    if (known) return known;
    const steps = this.#options.stepsOf?.(build) ?? [];
    const root = createNode(build, "build", { startedMs: this.#clock.monotonicMs() });
    const view: BuildView = { build, root, placeOf: (step) => placeOf(steps, step) };
    this.#builds.set(build, view);
    if (!this.#options.severalBuilds && !this.#named.has(build)) this.#finished.push(this.#paint("bold", build));
    this.#named.add(build);
    return view;
  }

  #end(view: BuildView, node: SpanNode): void {
    if (node.kind === "build") {
      if (this.#options.severalBuilds) {
        this.#keep(view, { ...node, name: node.state === "ok" ? "built" : "failed", children: [], notes: [] });
      }
      this.#builds.delete(view.build);
      return;
    }
    if (node.parent !== view.root && node.parent?.kind !== "build") return;
    this.#keep(view, node);
    node.parent.children.splice(node.parent.children.indexOf(node), 1);
  }

  #keep(view: BuildView, node: SpanNode): void {
    this.#finished.push(...finishedLines(view, node, { ...this.#frameOptions(), nameWidth: this.#nameWidth() }));
  }

  /** The static lines of all builds begin in one column, as far as their names are known. */
  #nameWidth(): number {
    const longest = Math.max(0, ...[...this.#named].map(textWidth));
    return Math.min(longest, Math.floor(this.#columns() / 3));
  }

  /** What never ended is shown as failed: a build that was stopped closes its spans, so something went wrong with it. */
  #abandon(view: BuildView): void {
    for (const node of phasesOf(view.root)) {
      failOpen(node, this.#clock.monotonicMs());
      this.#keep(view, node);
    }
  }

  #announce(view: BuildView, { mark, text }: { mark: "!" | "·"; text: string }): void {
    const prefix = this.#options.severalBuilds ? `${view.build}: ` : "";
    const [first = "", ...rest] = wrapText(prefix + text, this.#columns() - 3);
    const style = mark === "!" ? "yellow" : "dim";
    this.#finished.push(this.#paint(style, `${mark} ${first}`), ...rest.map((line) => `  ${this.#paint(style, line)}`));
  }

  #draw(): void {
    if (this.#suspended) return;
    if (this.#finished.length > 0) {
      this.#area.persist(this.#finished.join("\n"));
      this.#finished = [];
      this.#frame = [];
    }
    this.#frames += 1;
    const lines = frameLines([...this.#builds.values()], this.#frameOptions());
    if (lines.length === 0 && this.#frame.length === 0) return;
    if (lines.length === 0) this.#area.clear();
    else this.#area(lines.join("\n"));
    this.#frame = lines;
  }

  /**
   * After a resize the terminal has wrapped our lines anew, so the area is as high as they are now, not as it was drawn.
   */
  #redraw(): void {
    if (this.#suspended) return;
    const columns = this.#columns();
    const widths = this.#frame.map((line) => textWidth(stripVTControlCharacters(line)));
    const height = widths.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / columns)), 0);
    if (height > 0) this.#options.stream.write(`\r\u001B[${String(height)}A\u001B[J`);
    this.#area.done();
    this.#frame = [];
    this.#draw();
  }

  #frameOptions(): FrameOptions {
    return {
      columns: this.#columns(),
      rows: this.#options.stream.rows ?? 24,
      nowMs: this.#clock.monotonicMs(),
      paint: this.#paint,
      spinner: SPINNER[this.#frames % SPINNER.length] ?? "",
      headings: this.#options.severalBuilds ?? false,
    };
  }

  #columns(): number {
    return Math.max(20, this.#options.stream.columns ?? 80);
  }
}

function placeOf(steps: readonly string[], step: string): string | undefined {
  const index = steps.indexOf(step);
  return index < 0 ? undefined : `${String(index + 1)}/${String(steps.length)}`;
}

function failOpen(node: SpanNode, nowMs: number): void {
  if (node.state !== "running") return;
  node.state = "failed";
  node.durationMs = nowMs - node.startedMs;
  node.children.forEach((child) => {
    failOpen(child, nowMs);
  });
}

function onProcessExit(work: () => void): () => void {
  process.once("exit", work);
  return () => {
    process.off("exit", work);
  };
}
