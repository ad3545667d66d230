import assert from "node:assert/strict";
import { mock } from "node:test";
import { relayProgress } from "../../../src/relay/relay-progress.ts";
import { RecordingJournal } from "../../fakes/recording-journal.ts";

describe("progress of what is fetched for a guest", () => {
  beforeEach(() => mock.timers.enable({ apis: ["setTimeout"] }));
  afterEach(() => mock.timers.reset());

  const sizes = (journal: RecordingJournal): (readonly [number, number])[] =>
    journal.events.flatMap((event) => (event.type === "transfer" ? [[event.doneBytes, event.totalBytes]] : []));

  it("is one transfer for all files, which ends when none was asked for for a while", () => {
    const journal = new RecordingJournal();
    const progress = relayProgress(journal);
    progress.begin();
    progress.begin();
    progress.add(10);
    progress.end();
    progress.add(20);
    progress.end();
    mock.timers.tick(1_000);
    progress.begin();
    progress.add(5);
    progress.end();
    assert.deepEqual(sizes(journal), [
      [10, 0],
      [30, 0],
      [35, 0],
    ]);
    mock.timers.tick(4_000);
    assert.deepEqual(sizes(journal).at(-1), [35, 35]);
    progress.begin();
    progress.add(1);
    progress.close();
    assert.deepEqual(sizes(journal).slice(-2), [
      [1, 0],
      [1, 1],
    ]);
  });

  it("says nothing of answers without content", () => {
    const journal = new RecordingJournal();
    const progress = relayProgress(journal);
    progress.begin();
    progress.end();
    mock.timers.tick(10_000);
    assert.deepEqual(journal.events, []);
  });
});
