import assert from "node:assert/strict";
import type { StampedEvent } from "../../../src/core/event.ts";
import { createJournal } from "../../../src/journal/event-journal.ts";
import type { Sink } from "../../../src/journal/sink.ts";
import { FakeTime } from "./fake-terminal.ts";

class ListSink implements Sink {
  readonly events: StampedEvent[] = [];
  closed = 0;
  write(event: StampedEvent): void {
    this.events.push(event);
  }
  close(): Promise<void> {
    this.closed += 1;
    return Promise.resolve();
  }
}

const brokenSink: Sink = {
  write: () => {
    throw new RangeError("no space left");
  },
  close: () => Promise.reject(new RangeError("still none")),
};

describe("event journal", () => {
  it("stamps events with time, build and the spans they happen in", async () => {
    const sink = new ListSink();
    const time = new FakeTime();
    const journal = createJournal({ build: "quickstart-amd64", sinks: [sink], clock: time.clock });
    const result = await journal.span({ name: "base", kind: "phase" }, async (phase) => {
      time.pass(1_500);
      await phase.span({ name: "download", kind: "step" }, (step) => {
        step.emit({ type: "warning", subject: "a", detail: "b" });
        return Promise.resolve();
      });
      return 42;
    });
    assert.equal(result, 42);
    assert.deepEqual(
      sink.events.map(({ span, event }) => [span.join("/"), event.type]),
      [
        ["", "span-started"],
        ["base", "span-started"],
        ["base/download", "warning"],
        ["base", "span-ended"],
        ["", "span-ended"],
      ],
    );
    assert.deepEqual(sink.events.at(-1), {
      at: "2026-01-02T03:04:06.500Z",
      build: "quickstart-amd64",
      span: [],
      event: { type: "span-ended", name: "base", kind: "phase", ok: true, durationMs: 1_500 },
    });
  });

  it("ends a span that throws, and lets the error through", async () => {
    const sink = new ListSink();
    const journal = createJournal({ build: "b", sinks: [sink] });
    const failure = new Error("boom");
    const work = (): Promise<never> => {
      throw failure;
    };
    await assert.rejects(journal.span({ name: "boot", kind: "phase" }, work), failure);
    const last = sink.events.at(-1)?.event;
    assert.equal(last?.type === "span-ended" && last.ok, false);
  });

  it("goes on when a sink throws, and tells the others once", async () => {
    const sink = new ListSink();
    const journal = createJournal({ build: "b", sinks: [brokenSink, sink] });
    for (let count = 0; count < 3; count += 1) journal.emit({ type: "leftover-removed", what: "x" });
    const types = sink.events.map(({ event }) => event.type);
    assert.deepEqual(types, ["warning", "leftover-removed", "leftover-removed", "leftover-removed"]);
    assert.match(JSON.stringify(sink.events[0]), /no space left/);
    await journal.close();
    assert.equal(sink.closed, 1);
  });

  it("gives several builds the same sinks and each some of its own", async () => {
    const shared = new ListSink();
    const own = new ListSink();
    const first = createJournal({ build: "first", sinks: [shared] });
    const second = first.forBuild({ build: "second", sinks: [own] });
    first.emit({ type: "leftover-removed", what: "x" });
    second.emit({ type: "leftover-removed", what: "y" });
    assert.deepEqual(
      shared.events.map(({ build }) => build),
      ["first", "second"],
    );
    assert.deepEqual(
      own.events.map(({ build }) => build),
      ["second"],
    );
    await second.close();
    assert.deepEqual([shared.closed, own.closed], [0, 1]);
    await first.close();
    assert.equal(shared.closed, 1);
  });
});
