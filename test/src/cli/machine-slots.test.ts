import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { machineSlots, memoryBudgetMiB } from "../../../src/cli/machine-slots.ts";

const { signal } = new AbortController();

describe("slots for machines", () => {
  it("are free as long as the memory fits together", async () => {
    const slots = machineSlots(4_096);
    const [one] = [await slots.take(2_048, signal), await slots.take(2_048, signal)];
    let third: AsyncDisposable | undefined;
    const taking = slots.take(1_024, signal).then((slot) => (third = slot));
    await setImmediate();
    assert.equal(third, undefined);
    await one[Symbol.asyncDispose]();
    await taking;
    assert.ok(third);
  });

  it("always let one machine run, however large", async () => {
    const slots = machineSlots(1_024);
    const slot = await slots.take(65_536, signal);
    await slot[Symbol.asyncDispose]();
    await slots.take(65_536, signal);
  });

  it("are given in the order in which they were asked for, so that a large machine's turn comes", async () => {
    const slots = machineSlots(4_096);
    const first = await slots.take(3_072, signal);
    const order: string[] = [];
    const large = slots.take(4_096, signal).then((slot) => (order.push("large"), slot));
    const small = slots.take(512, signal).then((slot) => (order.push("small"), slot));
    await setImmediate();
    assert.deepEqual(order, []);
    await first[Symbol.asyncDispose]();
    await (await large)[Symbol.asyncDispose]();
    await small;
    assert.deepEqual(order, ["large", "small"]);
  });

  it("count once, however often they are given back", async () => {
    const slots = machineSlots(2_048);
    const one = await slots.take(1_024, signal);
    await slots.take(1_024, signal);
    for (let count = 0; count < 3; count += 1) await one[Symbol.asyncDispose]();
    await slots.take(1_024, signal);
    let another = false;
    void slots.take(1_024, signal).then(() => (another = true));
    await setImmediate();
    assert.equal(another, false);
  });

  it("are no longer waited for after Ctrl-C, and others get their turn", async () => {
    const slots = machineSlots(1_024);
    const first = await slots.take(1_024, signal);
    const abort = new AbortController();
    const given = slots.take(1_024, abort.signal);
    const next = slots.take(1_024, signal);
    abort.abort(new Error("interrupted"));
    await assert.rejects(given, /interrupted/);
    await first[Symbol.asyncDispose]();
    await next;
    await assert.rejects(slots.take(1, AbortSignal.abort(new Error("interrupted"))), /interrupted/);
  });

  it("never hold more than the budget, and all come to their end", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 20 }), async (sizes) => {
        const slots = machineSlots(8);
        let [used, running] = [0, 0];
        await Promise.all(
          sizes.map(async (size) => {
            const slot = await slots.take(size, signal);
            [used, running] = [used + size, running + 1];
            assert.ok(used <= 8 || running === 1, `${String(used)} in ${String(running)} machines`);
            await setImmediate();
            [used, running] = [used - size, running - 1];
            await slot[Symbol.asyncDispose]();
          }),
        );
        assert.deepEqual([used, running], [0, 0]);
      }),
      { numRuns: 50 },
    );
  });

  it("have a part of this host's memory", () => {
    assert.ok(memoryBudgetMiB() > 0);
  });
});
