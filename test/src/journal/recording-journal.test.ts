import assert from "node:assert/strict";
import { RecordingJournal } from "../../fakes/recording-journal.ts";

describe("recording journal", () => {
  it("keeps events with the spans they happened in", async () => {
    const journal = new RecordingJournal();
    await assert.rejects(
      journal.span({ name: "boot", kind: "phase" }, (inner) => {
        inner.emit({ type: "output", stream: "stderr", text: "panic" });
        return Promise.reject(new Error("x"));
      }),
    );
    assert.deepEqual(
      journal.recorded.map(({ span }) => span),
      [[], ["boot"], []],
    );
    assert.deepEqual(journal.endedSpans(), ["boot failed"]);
    assert.deepEqual([journal.output(), journal.output("stdout")], ["panic", ""]);
    assert.deepEqual(journal.of("span-started"), [{ type: "span-started", name: "boot", kind: "phase" }]);
  });
});
