import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { hostBudget, machineShare, machineSlots, type HostShare } from "../../../src/cli/machine-slots.ts";
import { preferredArch } from "../../../src/cli/preferred-arch.ts";
import { ARCHES, type Arch } from "../../../src/core/platform.ts";

const { signal } = new AbortController();
const MANY = 1_000;
/** A share of memory alone. */
const memory = (memoryMiB: number): HostShare => ({ memoryMiB, processors: 1 });
const slotsFor = (memoryMiB: number): ReturnType<typeof machineSlots> => machineSlots({ memoryMiB, processors: MANY });

describe("slots for machines", () => {
  it("are free as long as the memory fits together", async () => {
    const slots = slotsFor(4_096);
    const [one] = [await slots.take(memory(2_048), signal), await slots.take(memory(2_048), signal)];
    let third: AsyncDisposable | undefined;
    const taking = slots.take(memory(1_024), signal).then((slot) => (third = slot));
    await setImmediate();
    assert.equal(third, undefined);
    await one[Symbol.asyncDispose]();
    await taking;
    assert.ok(third);
  });

  it("always let one machine run, however large", async () => {
    const slots = slotsFor(1_024);
    const slot = await slots.take(memory(65_536), signal);
    await slot[Symbol.asyncDispose]();
    await slots.take(memory(65_536), signal);
  });

  it("are given in the order in which they were asked for, so that a large machine's turn comes", async () => {
    const slots = slotsFor(4_096);
    const first = await slots.take(memory(3_072), signal);
    const order: string[] = [];
    const large = slots.take(memory(4_096), signal).then((slot) => (order.push("large"), slot));
    const small = slots.take(memory(512), signal).then((slot) => (order.push("small"), slot));
    await setImmediate();
    assert.deepEqual(order, []);
    await first[Symbol.asyncDispose]();
    await (await large)[Symbol.asyncDispose]();
    await small;
    assert.deepEqual(order, ["large", "small"]);
  });

  it("count once, however often they are given back", async () => {
    const slots = slotsFor(2_048);
    const one = await slots.take(memory(1_024), signal);
    await slots.take(memory(1_024), signal);
    for (let count = 0; count < 3; count += 1) await one[Symbol.asyncDispose]();
    await slots.take(memory(1_024), signal);
    let another = false;
    void slots.take(memory(1_024), signal).then(() => (another = true));
    await setImmediate();
    assert.equal(another, false);
  });

  it("are no longer waited for after Ctrl-C, and others get their turn", async () => {
    const slots = slotsFor(1_024);
    const first = await slots.take(memory(1_024), signal);
    const abort = new AbortController();
    const given = slots.take(memory(1_024), abort.signal);
    const next = slots.take(memory(1_024), signal);
    abort.abort(new Error("interrupted"));
    await assert.rejects(given, /interrupted/);
    await first[Symbol.asyncDispose]();
    await next;
    await assert.rejects(slots.take(memory(1), AbortSignal.abort(new Error("interrupted"))), /interrupted/);
  });

  it("never hold more than the budget, and all come to their end", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 20 }), async (sizes) => {
        const slots = slotsFor(8);
        let [used, running] = [0, 0];
        await Promise.all(
          sizes.map(async (size) => {
            const slot = await slots.take(memory(size), signal);
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

  it("are free as long as the processors suffice, too", async () => {
    const slots = machineSlots({ memoryMiB: 65_536, processors: 3 });
    const two = { memoryMiB: 512, processors: 2 };
    const first = await slots.take(two, signal);
    const order: string[] = [];
    const second = slots.take(two, signal).then((slot) => (order.push("second"), slot));
    const small = slots.take(memory(512), signal).then((slot) => (order.push("small"), slot));
    await setImmediate();
    assert.deepEqual(order, []);
    await first[Symbol.asyncDispose]();
    await second;
    await small;
    assert.deepEqual(order, ["second", "small"]);
  });

  it("have a part of this host's memory, or what the environment says, and all its processors", () => {
    assert.ok(hostBudget({ memoryGiB: undefined }).memoryMiB > 0);
    assert.deepEqual(hostBudget({ memoryGiB: 6.5 }), { memoryMiB: 6_656, processors: availableParallelism() });
  });
});

describe("a machine's share of the host", () => {
  const planned = (arch: Arch): Parameters<typeof machineShare>[0] => ({
    machine: { memoryMiB: 3_072, cpus: 4 },
    disk: { platform: { arch } },
  });
  const own = preferredArch(ARCHES, process.arch);

  it("is its memory, and its processors where it is not emulated", () => {
    assert.deepEqual(
      machineShare(planned(own), () => true),
      { memoryMiB: 3_072, processors: 4 },
    );
  });

  it("is one processor where it is", () => {
    const [foreign] = ARCHES.filter((arch) => arch !== own);
    const emulated = { memoryMiB: 3_072, processors: 1 };
    assert.deepEqual(
      machineShare(planned(own), () => false),
      emulated,
    );
    assert.deepEqual(
      machineShare(planned(foreign ?? own), () => true),
      emulated,
    );
  });
});
