import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { planStatus } from "../../../src/cli/plan-status.ts";
import { run } from "../../../src/core/op-makers.ts";
import type { Plan } from "../../../src/core/plan.ts";
import { rememberDurations, rememberPlan } from "../../../src/store/build-history.ts";
import type { Chain, Layer, WantedLayer } from "../../../src/store/layer.ts";
import { plan, stepsOf } from "../core/arbitraries.ts";

/** A store that has the layers of the first so many of what is wanted. */
function layersUpTo(count: number): { chain(wanted: readonly WantedLayer[]): Promise<Chain> } {
  return {
    chain: async (wanted) => ({
      layers: wanted.slice(0, count).map(({ key }) => ({ key }) as Layer),
      end: { kind: count >= wanted.length ? "complete" : "absent" },
    }),
  };
}

describe("status of a plan", () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "kvci-status-"));
  });
  afterEach(() => rm(root, { recursive: true }));
  const made = plan({ steps: stepsOf([[run("a")], [run("b")]]) });
  const statusOf = (of: Plan, count: number) => planStatus(of, { root, layers: layersUpTo(count), now: 0 });

  it("has every step run when layers are not to be used", async () => {
    const { firstBoot, steps } = await planStatus(made, { root, layers: layersUpTo(3), now: 0, cache: false });
    assert.deepEqual([firstBoot, ...steps.map(({ status }) => status)], ["will-run", "will-run", "will-run"]);
    assert.deepEqual(
      steps.map(({ reasons }) => reasons.map(({ cause }) => cause)),
      [["cache-unused"], ["follows"]],
    );
  });

  it("tells what is cached and what will run", async () => {
    const seen = async (count: number) => {
      const { firstBoot, steps } = await statusOf(made, count);
      return [firstBoot, ...steps.map(({ status }) => status)];
    };
    assert.deepEqual(await seen(0), ["will-run", "will-run", "will-run"]);
    assert.deepEqual(await seen(1), ["cached", "will-run", "will-run"]);
    assert.deepEqual(await seen(2), ["cached", "cached", "will-run"]);
    assert.deepEqual(await seen(3), ["cached", "cached", "cached"]);
  });

  it("explains and estimates by what is remembered", async () => {
    await rememberPlan(root, made);
    await rememberDurations(root, { template: "t", arch: "amd64" }, [
      { kind: "step", name: "step-1", durationMs: 12 },
      { kind: "phase", name: "boot", durationMs: 30 },
    ]);
    const { steps, estimate } = await statusOf(plan({ steps: stepsOf([[run("a")], [run("c")]]) }), 2);
    assert.deepEqual(
      steps[1]?.reasons.map(({ cause }) => cause),
      ["op-changed"],
    );
    assert.deepEqual([...steps.map(({ estimateMs }) => estimateMs), estimate.totalMs], [undefined, 12, 42]);
  });

  it("counts on a warm state of the topmost layer where there is one", async () => {
    const ports = { root, layers: layersUpTo(2), now: 0 };
    const asked: unknown[] = [];
    const hasWarmState = async ({ key }: Layer): Promise<boolean> => asked.push(key) > 0;
    const { estimate } = await planStatus(made, { ...ports, hasWarmState });
    assert.deepEqual(asked, [made.disk.steps[0]?.key]);
    assert.ok(estimate.parts.some(({ name }) => name === "restore"));
  });

  it("is the same for the same plan and store", async () => {
    await rememberPlan(root, made);
    assert.deepEqual(await statusOf(made, 1), await statusOf(made, 1));
  });

  it("finds no result where there is no build", async () => {
    const status = await planStatus(made, { root, layers: layersUpTo(3), now: 0, out: join(root, "out") });
    assert.equal(status.result, undefined);
    assert.notEqual(status.estimate.parts.length, 0);
  });
});
