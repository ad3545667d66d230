import type { BuildEvent, StampedEvent } from "../core/event.ts";
import { systemClock, systemTicker, type Clock, type Ticker } from "./clock.ts";
import { formatBytes, formatDuration, formatElapsed } from "./format.ts";
import { createLineSplitter } from "./line-splitter.ts";
import { noticeOf } from "./notice.ts";
import type { Sink } from "./sink.ts";
import { createStreamFilter } from "./stream-filter.ts";
import { cutText, displayLine } from "./text-width.ts";

export interface PlainOptions {
  readonly stream: NodeJS.WritableStream;
  /** Names of the steps of a build, in order, for `[3/7]`. */
  readonly stepsOf?: ((build: string) => readonly string[] | undefined) | undefined;
  /** Begin every line with the name of its build. */
  readonly severalBuilds?: boolean | undefined;
  /** Print all output of commands, not only that of a failing one. */
  readonly verbose?: boolean | undefined;
  readonly clock?: Clock | undefined;
  readonly ticker?: Ticker | undefined;
}

/** A silent op is mentioned this often: CI systems end jobs that say nothing for minutes. */
const HEARTBEAT_MS = 30_000;
const HEARTBEAT_CHECK_MS = 1_000;
const TRANSFER_MS = 10_000;
/** What is shown of a failing op's output, and so all that is remembered of it. */
const TAIL_LINES = 20;
const MAX_SHOWN_LINE = 400;

/** One plain line for everything that matters, for logs and pipes: no colours, no cursor movements. */
export function plainSink(options: PlainOptions): Sink {
  return new PlainSink(options);
}

interface RunningOp {
  readonly summary: string;
  readonly place: string;
  readonly startedMs: number;
  readonly saidMs: number;
}

/** What is remembered of one span while it is open. */
interface OpenSpan {
  op: RunningOp | undefined;
  tail: string[];
  readonly transfersSaidMs: Map<string, number>;
}

class PlainSink implements Sink {
  readonly #options: PlainOptions;
  readonly #clock: Clock;
  readonly #spans = new Map<string, { readonly build: string; readonly depth: number; readonly open: OpenSpan }>();
  readonly #filter: ReturnType<typeof createStreamFilter>;
  readonly #stopTicking: () => void;
  #lastAt = "";
  #suspended = false;

  constructor(options: PlainOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#filter = createStreamFilter({ create: createLineSplitter, flushAtOps: "both" }, (stamped) => {
      this.#take(stamped);
    });
    this.#stopTicking = (options.ticker ?? systemTicker)(HEARTBEAT_CHECK_MS, () => {
      this.#heartbeat();
    });
  }

  write(stamped: StampedEvent): void {
    this.#lastAt = stamped.at;
    this.#filter.write(stamped);
  }

  close(): Promise<void> {
    this.#stopTicking();
    this.#filter.end(this.#lastAt);
    this.#spans.clear();
    return Promise.resolve();
  }

  #take(stamped: StampedEvent): void {
    const { event } = stamped;
    if (event.type === "output") this.#output(stamped, event.text);
    else if (event.type === "op-started") this.#opStarted(stamped, event);
    else if (event.type === "op-ended") this.#opEnded(stamped, event);
    else if (event.type === "transfer") this.#transfer(stamped, event);
    else {
      if (event.type === "program-started") this.#open(stamped).tail = [];
      if (event.type === "span-ended") this.#close(stamped, event);
      const text = this.#textOf(stamped);
      if (text !== undefined) this.#print(stamped.build, depthOf(stamped), text);
    }
  }

  /** The last output of what failed comes now and not when its op ended: standard error may be late. */
  #close({ build, span }: StampedEvent, { name, ok }: Extract<BuildEvent, { type: "span-ended" }>): void {
    const key = spanKey(build, [...span, name]);
    const open = this.#spans.get(key)?.open;
    this.#spans.delete(key);
    if (ok || !open) return;
    for (const line of open.tail) this.#print(build, span.length + 1, `| ${line}`);
  }

  #textOf({ build, event }: StampedEvent): string | undefined {
    if (event.type === "span-started") return `${this.#title(build, event)}${event.kind === "build" ? " started" : ""}`;
    if (event.type === "span-ended") return endText(this.#title(build, event), event);
    return factText(event);
  }

  #title(build: string, { kind, name }: { readonly kind: string; readonly name: string }): string {
    if (kind !== "step") return kind === "build" ? `build ${name}` : name;
    const steps = this.#options.stepsOf?.(build) ?? [];
    const index = steps.indexOf(name);
    return index < 0 ? `step ${name}` : `[${String(index + 1)}/${String(steps.length)}] ${name}`;
  }

  #output(stamped: StampedEvent, text: string): void {
    const line = displayLine(text);
    if (line.trim() === "") return;
    if (this.#options.verbose) {
      this.#print(stamped.build, depthOf(stamped), `| ${line}`);
      return;
    }
    const span = this.#open(stamped);
    span.tail.push(cutText(line, MAX_SHOWN_LINE));
    if (span.tail.length > TAIL_LINES) span.tail.shift();
  }

  #opStarted(stamped: StampedEvent, event: Extract<BuildEvent, { type: "op-started" }>): void {
    const span = this.#open(stamped);
    const nowMs = this.#clock.monotonicMs();
    const place = `${String(event.index + 1)}/${String(event.total)}`;
    span.op = { summary: displayLine(event.summary), place, startedMs: nowMs, saidMs: nowMs };
    span.tail = [];
    this.#print(stamped.build, depthOf(stamped), `${place} ${span.op.summary}`);
  }

  #opEnded(stamped: StampedEvent, event: Extract<BuildEvent, { type: "op-ended" }>): void {
    const span = this.#open(stamped);
    const { op } = span;
    span.op = undefined;
    if (event.status === 0 || !op) return;
    const after = formatDuration(event.durationMs);
    this.#print(
      stamped.build,
      depthOf(stamped),
      `${op.place} exited ${String(event.status)} after ${after}: ${op.summary}`,
    );
  }

  #transfer(stamped: StampedEvent, event: Extract<BuildEvent, { type: "transfer" }>): void {
    const said = this.#open(stamped).transfersSaidMs;
    const nowMs = this.#clock.monotonicMs();
    const done = event.totalBytes > 0 && event.doneBytes >= event.totalBytes;
    const last = said.get(event.name);
    if (!done && last !== undefined && nowMs - last < TRANSFER_MS) return;
    said.set(event.name, nowMs);
    if (done) said.delete(event.name);
    this.#print(stamped.build, depthOf(stamped), transferText(event));
  }

  /** Only the heartbeat speaks by itself. */
  suspend(): () => void {
    this.#suspended = true;
    return () => {
      this.#suspended = false;
    };
  }

  #heartbeat(): void {
    if (this.#suspended) return;
    const nowMs = this.#clock.monotonicMs();
    for (const { build, depth, open } of this.#spans.values()) {
      const { op } = open;
      if (!op || nowMs - op.saidMs < HEARTBEAT_MS) continue;
      open.op = { ...op, saidMs: nowMs };
      this.#print(build, depth, `still running: ${cutText(op.summary, 60)} ${formatElapsed(nowMs - op.startedMs)}`);
    }
  }

  #open({ build, span }: StampedEvent): OpenSpan {
    const key = spanKey(build, span);
    const known = this.#spans.get(key);
    if (known) return known.open;
    const open: OpenSpan = { op: undefined, tail: [], transfersSaidMs: new Map() };
    this.#spans.set(key, { build, depth: span.length, open });
    return open;
  }

  #print(build: string, depth: number, text: string): void {
    const prefix = this.#options.severalBuilds ? `${build}: ` : "";
    this.#options.stream.write(`${prefix}${"  ".repeat(Math.max(0, depth - 1))}${text}\n`);
  }
}

function spanKey(build: string, span: readonly string[]): string {
  return JSON.stringify([build, ...span]);
}

function depthOf({ span }: StampedEvent): number {
  return span.length;
}

function endText(title: string, { ok, durationMs }: { readonly ok: boolean; readonly durationMs: number }): string {
  return ok ? `${title} done in ${formatDuration(durationMs)}` : `${title} FAILED after ${formatDuration(durationMs)}`;
}

function factText(event: BuildEvent): string | undefined {
  switch (event.type) {
    case "accelerator-chosen":
      return displayLine(`accelerator ${event.accelerator}: ${event.reason}`);
    case "cache-hit":
      return displayLine(`cached: ${event.what}`);
    case "guest-ready":
      return `guest answered at ${event.address} after ${formatDuration(event.afterMs)}`;
    case "finding":
      return displayLine(`${event.ok ? "ok" : "FAILED"} ${event.check}: ${event.detail}`);
    default: {
      const notice = noticeOf(event);
      return notice && (notice.mark === "!" ? `warning: ${notice.text}` : notice.text);
    }
  }
}

function transferText({ name, doneBytes, totalBytes }: Extract<BuildEvent, { type: "transfer" }>): string {
  if (totalBytes === 0) return displayLine(`${name}: ${formatBytes(doneBytes)}`);
  const percent = Math.floor((doneBytes / totalBytes) * 100);
  return displayLine(`${name}: ${String(percent)} % of ${formatBytes(totalBytes)}`);
}
