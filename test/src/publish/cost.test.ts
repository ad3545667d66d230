import assert from "node:assert/strict";
import { planCost } from "../../../src/publish/cost.ts";
import { fakeStep } from "../../fakes/fake-publisher.ts";

const step = (target: string, quantities: Readonly<Record<string, number>>) =>
  fakeStep({ target, place: "eu", phase: "stage", quantities });
const GIB = 1024 ** 3;

describe("cost of a plan", () => {
  it("adds up by target and unit, bytes as GiB that are sent", () => {
    const { lines } = planCost([step("aws", { bytes: GIB, copies: 1 }), step("aws", { copies: 2 })], new Map());
    assert.deepEqual(
      lines.map(({ unit, amount, usd }) => [unit, amount, usd]),
      [
        ["GiB sent", 1, undefined],
        ["copies", 3, undefined],
      ],
    );
  });

  it("is the sum of what has a price, and names what has none", () => {
    const prices = new Map([["aws", { asOf: "2026-11-01", usd: { "GiB-months of snapshots": 0.05 } }]]);
    const steps = [step("aws", { "GiB-months of snapshots": 4, requests: 9 }), step("quay", { layers: 3 })];
    const { usd, unknown, asOf } = planCost(steps, prices);
    assert.equal(usd.toFixed(2), "0.20");
    assert.deepEqual([unknown, asOf], [["requests"], ["2026-11-01"]]);
  });

  it("counts a price of nothing as known", () => {
    const { usd, unknown } = planCost(
      [step("aws", { bytes: GIB })],
      new Map([["aws", { asOf: "2026-11-01", usd: { "GiB sent": 0 } }]]),
    );
    assert.deepEqual([usd, unknown], [0, []]);
  });
});
