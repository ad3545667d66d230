import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { Turns } from "../../../src/relay/turns.ts";

describe("turns", () => {
  it("are given to so many at once, in the order in which they came, also after a failure", async () => {
    const turns = new Turns(2);
    const begun: number[] = [];
    const ends = [0, 1, 2, 3].map(() => Promise.withResolvers<number>());
    const runs = ends.map(({ promise }, index) =>
      turns.run(async () => {
        begun.push(index);
        return promise;
      }),
    );
    const outcomes = Promise.allSettled(runs);
    assert.deepEqual(begun, [0, 1]);
    ends[1]?.reject(new TypeError("gone"));
    await setImmediate();
    assert.deepEqual(begun, [0, 1, 2]);
    for (const end of ends) end.resolve(7);
    await outcomes;
    assert.deepEqual(begun, [0, 1, 2, 3]);
    assert.deepEqual(
      (await outcomes).map(({ status }) => status),
      ["fulfilled", "rejected", "fulfilled", "fulfilled"],
    );
  });
});
