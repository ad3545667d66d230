import assert from "node:assert/strict";
import fc from "fast-check";
import { removalOrder } from "../../../src/store/removal-order.ts";
import { itemsOf } from "./items.ts";

const order = (needs: Parameters<typeof itemsOf>[0]): string[] => removalOrder(itemsOf(needs)).map(({ path }) => path);

describe("the order of removal", () => {
  it("begins with what was used longest ago", () => {
    assert.deepEqual(order({ b: { lastUsedMs: 2 }, a: { lastUsedMs: 1 }, c: { lastUsedMs: 3 } }), ["a", "b", "c"]);
  });

  it("puts what is of no use before all that is", () => {
    assert.deepEqual(order({ old: { lastUsedMs: 1 }, damaged: { lastUsedMs: 9, usable: false } }), ["damaged", "old"]);
  });

  it("counts the use of an item as the use of all it needs", () => {
    assert.deepEqual(
      order({
        base: { lastUsedMs: 1 },
        lower: { lastUsedMs: 2, needs: ["base"] },
        upper: { lastUsedMs: 8, needs: ["lower"] },
        other: { lastUsedMs: 5 },
      }),
      ["other", "upper", "lower", "base"],
    );
  });

  it("leaves what needs each other in a circle to the end", () => {
    assert.deepEqual(order({ a: { needs: ["b"], lastUsedMs: 1 }, b: { needs: ["a"], lastUsedMs: 1 }, c: {} }), [
      "c",
      "a",
      "b",
    ]);
  });

  it("never puts an item before one that needs it, whatever needs what", () => {
    const item = fc.record({ lastUsedMs: fc.nat(5), below: fc.array(fc.nat(20), { maxLength: 3 }) });
    fc.assert(
      fc.property(fc.array(item, { maxLength: 12 }), (list) => {
        const items = itemsOf(
          Object.fromEntries(
            list.map(({ lastUsedMs, below }, at) => [
              `item ${at}`,
              { lastUsedMs, needs: [...new Set(below.filter((need) => need < at))].map((need) => `item ${need}`) },
            ]),
          ),
        );
        const seen = new Set<string>();
        for (const { path, neededBy } of removalOrder(items)) {
          assert.ok(neededBy.every((above) => seen.has(above)));
          seen.add(path);
        }
        assert.equal(seen.size, items.length);
      }),
    );
  });
});
