import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { LayerQueue } from "../../../builders/qemu/layer-queue.ts";
import { KvciError } from "../../../src/core/error.ts";
import type { Draft, Layer } from "../../../src/store/layer.ts";
import { RecordingJournal } from "../../fakes/recording-journal.ts";
import { draftOf, factsOf, fakeLayers } from "./layers.ts";

describe("the queue of closed layers", () => {
  const adopted: Draft[] = [];
  let fail: Error | undefined;
  let journal: RecordingJournal;
  let queue: LayerQueue;
  beforeEach(() => {
    adopted.length = 0;
    fail = undefined;
    journal = new RecordingJournal();
    queue = new LayerQueue(
      fakeLayers({
        async adopt(draft, facts): Promise<Layer> {
          await setImmediate();
          if (fail) throw fail;
          adopted.push(draft);
          return { ...facts, id: draft.id, key: draft.key, path: draft.path, bytes: 7 } as Layer;
        },
      }),
    );
  });

  it("lets the store take them over in order, and tells of each when it is there", async () => {
    for (const name of ["one", "two", "three"]) queue.adopt(draftOf(name), factsOf(name), journal);
    assert.deepEqual(adopted, []);
    const layers = await queue.settled();
    assert.deepEqual(
      layers.map(({ step }) => step),
      ["one", "two", "three"],
    );
    assert.deepEqual(
      journal.events.flatMap((event) => (event.type === "layer-kept" ? [event.step] : [])),
      ["one", "two", "three"],
    );
  });

  it("takes over nothing on top of what could not be taken over, and says why", async () => {
    fail = new KvciError("store-full", "the disk is full", { hint: "Free some." });
    queue.adopt(draftOf("one"), factsOf("one"), journal);
    await assert.rejects(queue.settled(), { code: "store-full" });
    fail = undefined;
    queue.adopt(draftOf("two"), factsOf("two"), journal);
    await assert.rejects(queue.settled(), { code: "store-full" });
    assert.deepEqual([adopted, journal.events], [[], []]);
  });

  it("gives errors of the host a code", async () => {
    fail = new TypeError("unexpected");
    queue.adopt(draftOf("one"), factsOf("one"), journal);
    await assert.rejects(queue.settled(), { code: "store-unusable", message: /unexpected/ });
  });

  it("does what is to follow after the layers before it, knowing whether those are kept", async () => {
    const seen: unknown[] = [];
    const note = (kept: boolean): Promise<void> => Promise.resolve(void seen.push([adopted.length, kept]));
    queue.adopt(draftOf("one"), factsOf("one"), journal);
    queue.after(note);
    await queue.settled();
    fail = new TypeError("unexpected");
    queue.adopt(draftOf("two"), factsOf("two"), journal);
    queue.after(note);
    await assert.rejects(queue.settled());
    assert.deepEqual(seen, [
      [1, true],
      [1, false],
    ]);
  });
});
