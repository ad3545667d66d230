import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { bounded } from "../../../src/core/bounded.ts";

describe("bounded", () => {
  it("keeps the order of results and never runs more at once than it may", async () => {
    let [running, most] = [0, 0];
    const results = await bounded([30, 1, 20, 1, 10], 2, async (ms) => {
      most = Math.max(most, (running += 1));
      await delay(ms);
      running -= 1;
      return ms;
    });
    assert.deepEqual(results, [30, 1, 20, 1, 10]);
    assert.equal(most, 2);
  });

  it("begins nothing after a failure, and lets what runs end before it throws", async () => {
    const ended: number[] = [];
    const work = async (item: number): Promise<void> => {
      if (item === 1) throw new RangeError("one");
      await delay(20);
      ended.push(item);
    };
    await assert.rejects(bounded([0, 1, 2, 3], 2, work), { message: "one" });
    assert.deepEqual(ended, [0]);
  });

  it("has nothing to do without items", async () => {
    assert.deepEqual(await bounded([], 3, () => Promise.resolve(1)), []);
  });
});
