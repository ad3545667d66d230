import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createJournal } from "../../../src/journal/event-journal.ts";
import { jsonLinesFile, jsonLinesStream } from "../../../src/journal/json-lines.ts";
import { MAX_LINE } from "../../../src/journal/line-splitter.ts";
import { stamped, TextStream } from "./fake-terminal.ts";

const HEADER = { startedAt: "2026-01-02T03:04:05.000Z", tool: "0.1.0" };

interface Line {
  readonly schema?: string;
  readonly version?: number;
  readonly at?: string;
  readonly event?: { readonly type: string; readonly text?: string; readonly doneBytes?: number };
}

function parse(text: string): Line[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
}

describe("JSON lines", () => {
  let stream: TextStream;
  let sink: ReturnType<typeof jsonLinesStream>;
  const texts = (): (string | undefined)[] =>
    parse(stream.text)
      .slice(1)
      .map(({ event }) => event?.text);

  beforeEach(() => {
    stream = new TextStream();
    sink = jsonLinesStream(stream, HEADER);
  });

  it("begin with a versioned header and hold the stamped events as they are", () => {
    const event = stamped({ type: "leftover-removed", what: "line\nbreak" }, ["base"]);
    sink.write(event);
    assert.deepEqual(parse(stream.text), [{ schema: "kvci-build/journal", version: 1, ...HEADER }, event]);
  });

  it("join output to lines per stream", () => {
    sink.write(stamped({ type: "output", stream: "stdout", text: "one\ntw" }, ["s"]));
    sink.write(stamped({ type: "output", stream: "stderr", text: "error" }, ["s"]));
    sink.write(stamped({ type: "output", stream: "stdout", text: "o\r\n10 %\r20 %\rthree" }, ["s"]));
    assert.deepEqual(texts(), ["one", "two", "10 %", "20 %"]);
    sink.write(stamped({ type: "op-ended", index: 0, status: 0, durationMs: 1 }, ["s"]));
    assert.deepEqual(texts(), ["one", "two", "10 %", "20 %", "three", "error", undefined]);
  });

  it("cut lines of more than 64 KiB", async () => {
    for (let count = 0; count < 20; count += 1) {
      sink.write(stamped({ type: "output", stream: "stdout", text: "x".repeat(10_000) }));
    }
    await sink.close?.();
    assert.deepEqual(
      texts().map((text) => text?.length),
      [MAX_LINE, MAX_LINE, MAX_LINE, 200_000 - 3 * MAX_LINE],
    );
  });

  it("keep one report a second of a transfer, the first and the last", () => {
    for (let tenth = 0; tenth <= 30; tenth += 1) {
      const at = new Date(Date.UTC(2026, 0, 2) + tenth * 100).toISOString();
      sink.write({ ...stamped({ type: "transfer", name: "disk", doneBytes: tenth, totalBytes: 30 }), at });
    }
    assert.deepEqual(
      parse(stream.text)
        .slice(1)
        .map(({ event }) => event?.doneBytes),
      [0, 10, 20, 30],
    );
  });

  it("end quietly when the reader has gone", () => {
    stream.emit("error", new Error("EPIPE"));
    sink.write(stamped({ type: "leftover-removed", what: "x" }));
    assert.equal(stream.text, "");
  });

  describe("file", () => {
    let folder: string;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), "kvci-journal-"));
    });
    afterEach(() => {
      rmSync(folder, { recursive: true });
    });

    it("is appended to, complete at every moment, and closed once", async () => {
      const path = join(folder, "journal.jsonl");
      for (const what of ["first", "second"]) {
        const file = jsonLinesFile(path, HEADER);
        file.write(stamped({ type: "leftover-removed", what }));
        assert.match(readFileSync(path, "utf8"), new RegExp(`"what":"${what}"}}\\n$`));
        file.write(stamped({ type: "output", stream: "stdout", text: `no line end in ${what}` }));
        await file.close?.();
        await file.close?.();
        file.write(stamped({ type: "leftover-removed", what: "after the end" }));
      }
      const lines = parse(readFileSync(path, "utf8"));
      assert.deepEqual(
        lines.map((line) => line.schema ?? line.event?.type),
        ["kvci-build/journal", "leftover-removed", "output", "kvci-build/journal", "leftover-removed", "output"],
      );
    });

    it("on a full disk costs one warning and nothing else", async () => {
      const full = jsonLinesFile("/dev/full", HEADER);
      const journal = createJournal({ build: "b", sinks: [full, sink] });
      for (let count = 0; count < 3; count += 1) journal.emit({ type: "leftover-removed", what: "x" });
      await journal.close();
      const warnings = stream.lines.filter((line) => line.includes('"warning"'));
      assert.equal(warnings.length, 1);
      assert.match(warnings[0] ?? "", /part of this build's log is lost: ENOSPC/);
    });
  });
});
