import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import type { Writable } from "node:stream";
import type { StampedEvent } from "../core/event.ts";
import { createLineSplitter } from "./line-splitter.ts";
import type { Sink } from "./sink.ts";
import { createStreamFilter } from "./stream-filter.ts";

/** Counts up when a reader of the version before would misread a line; see docs/journal.md. */
const JOURNAL_VERSION = 1;

export interface JsonLinesHeader {
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** Version of kvci-build that writes. */
  readonly tool: string;
}

/**
 * Appends a build's events to a file, one JSON object per line, after a header line. Every line is handed to the kernel
 * at once, so that a killed build keeps its journal; closing flushes it to the disk.
 *
 * @throws from `write`, when the file cannot be written (a full disk): the journal warns once and the build goes on. As
 *   soon as there is space again the following events are kept.
 */
export function jsonLinesFile(path: string, header: JsonLinesHeader): Sink {
  const fd = openSync(path, "a", 0o644);
  const lines = jsonLines(header, fileWriter(fd));
  let closed = false;
  return {
    write(event) {
      // The number of a closed descriptor may be another file's by now.
      if (!closed) lines.write(event);
    },
    async close() {
      if (closed) return;
      try {
        lines.end();
        fsyncSync(fd);
      } finally {
        closed = true;
        closeSync(fd);
      }
      return Promise.resolve();
    },
  };
}

/** The same lines to a stream that stays open: what `--json` puts on standard error. A reader that left is not missed. */
export function jsonLinesStream(stream: Writable, header: JsonLinesHeader): Sink {
  let gone = false;
  stream.on("error", () => {
    gone = true;
  });
  const lines = jsonLines(header, (text) => {
    if (!gone) stream.write(text);
  });
  return {
    write: lines.write,
    async close() {
      lines.end();
      return Promise.resolve();
    },
  };
}

interface Lines {
  readonly write: (event: StampedEvent) => void;
  readonly end: () => void;
}

function jsonLines(header: JsonLinesHeader, print: (text: string) => void): Lines {
  let lastAt = header.startedAt;
  let batch = "";
  const isNews = transferThrottle();
  const filter = createStreamFilter({ create: createLineSplitter, flushAtOps: "both" }, (event) => {
    if (!isNews(event)) return;
    batch += `${JSON.stringify(event)}\n`;
  });
  let head = `${JSON.stringify({ schema: "kvci-build/journal", version: JOURNAL_VERSION, ...header })}\n`;
  const printBatch = (): void => {
    const text = batch;
    batch = "";
    if (text === "") return;
    print(head + text);
    // Only now: where the first write failed, the next one still begins with the header.
    head = "";
  };
  return {
    write: (event) => {
      lastAt = event.at;
      filter.write(event);
      printBatch();
    },
    end: () => {
      filter.end(lastAt);
      printBatch();
    },
  };
}

/** A transfer reports every chunk; a record of it needs one line a second, its first and its last. */
const TRANSFER_MS = 1_000;
const MAX_TRANSFERS = 1_000;

function transferThrottle(): (stamped: StampedEvent) => boolean {
  const saidMs = new Map<string, number>();
  return ({ at, build, event }) => {
    if (event.type !== "transfer") return true;
    const key = JSON.stringify([build, event.name]);
    const nowMs = Date.parse(at);
    if (event.totalBytes > 0 && event.doneBytes >= event.totalBytes) {
      saidMs.delete(key);
      return true;
    }
    const last = saidMs.get(key);
    if (last !== undefined && Math.abs(nowMs - last) < TRANSFER_MS) return false;
    if (saidMs.size >= MAX_TRANSFERS) saidMs.clear();
    saidMs.set(key, nowMs);
    return true;
  };
}

function fileWriter(fd: number): (text: string) => void {
  let lineIsOpen = false;
  return (text) => {
    // After a write that broke off, the next line must not be glued to its remains.
    const bytes = Buffer.from(lineIsOpen ? `\n${text}` : text, "utf8");
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(fd, bytes, written);
    } finally {
      if (written > 0) lineIsOpen = bytes[written - 1] !== NEWLINE;
    }
  };
}

const NEWLINE = 0x0a;
