import assert from "node:assert/strict";
import { pausableSink } from "../../../src/journal/pausable-sink.ts";
import { stamped } from "./fake-terminal.ts";

const event = (what: string): ReturnType<typeof stamped> => stamped({ type: "leftover-removed", what });

describe("pausable sink", () => {
  let seen: string[];
  const sink = {
    write: ({ event: { type } }: ReturnType<typeof stamped>) => void seen.push(type),
    suspend: () => {
      seen.push("suspended");
      return () => void seen.push("resumed");
    },
  };
  beforeEach(() => (seen = []));

  it("shows what came meanwhile when it goes on", () => {
    const pausable = pausableSink(sink);
    pausable.write(event("one"));
    const resume = pausable.pause();
    pausable.write(event("two"));
    assert.deepEqual(seen, ["leftover-removed", "suspended"]);
    resume();
    pausable.write(event("three"));
    assert.deepEqual(seen.slice(2), ["resumed", "leftover-removed", "leftover-removed"]);
  });

  it("remembers no transfers, and not all output", () => {
    const pausable = pausableSink({ write: sink.write });
    const resume = pausable.pause();
    pausable.write(stamped({ type: "transfer", name: "disk", doneBytes: 1, totalBytes: 2 }));
    const output = stamped({ type: "output", stream: "stdout", text: "x" });
    for (let count = 0; count < 5_000; count++) pausable.write(output);
    pausable.write(event("end"));
    resume();
    assert.equal(seen.length, 1_001);
    assert.equal(seen.at(-1), "leftover-removed");
  });

  it("shows what it holds when it is closed", async () => {
    const pausable = pausableSink(sink);
    pausable.pause();
    pausable.write(event("one"));
    await pausable.close?.();
    assert.deepEqual(seen, ["suspended", "leftover-removed"]);
  });
});
