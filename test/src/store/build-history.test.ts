import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rememberedPlan } from "../../../src/core/former-plan.ts";
import { run } from "../../../src/core/op-makers.ts";
import { readHistory, rememberDurations, rememberPlan } from "../../../src/store/build-history.ts";
import { plan, stepsOf } from "../core/arbitraries.ts";

const BUILD = { template: "t", arch: "amd64" } as const;
const NOTHING = { durations: {} };

describe("build history", () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "kvci-history-"));
  });
  afterEach(() => rm(root, { recursive: true }));

  const read = (): ReturnType<typeof readHistory> => readHistory(root, "t", "amd64");
  const file = (): string => join(root, "history", "t-amd64.json");
  const finished = async (): Promise<boolean[] | undefined> => (await read()).plan?.steps.map((step) => step.finished);
  const made = plan({ steps: stepsOf([[run("a")], [run("b")]]) });

  it("is empty before the first build", async () => {
    assert.deepEqual(await read(), NOTHING);
    assert.deepEqual(await readdir(root), []);
  });

  it("gives back the plan that was remembered, per template and architecture", async () => {
    await rememberPlan(root, made);
    assert.deepEqual(
      (await read()).plan,
      rememberedPlan(made, () => false),
    );
    assert.deepEqual(await readHistory(root, "t", "arm64"), NOTHING);
    assert.deepEqual(await readHistory(root, "other", "amd64"), NOTHING);
  });

  it("keeps the last plan only, and its times", async () => {
    await rememberPlan(root, made);
    await rememberDurations(root, BUILD, [{ kind: "phase", name: "boot", durationMs: 27.4 }]);
    const next = plan({ steps: stepsOf([[run("c")]]) });
    await rememberPlan(root, next);
    const history = await read();
    assert.deepEqual(
      history.plan?.steps.map(({ key }) => key),
      [next.disk.steps[0]?.key],
    );
    assert.deepEqual(history.durations, { "phase boot": [27] });
    assert.deepEqual(await readdir(join(root, "history")), ["t-amd64.json"]);
  });

  it("keeps the last five times of a span", async () => {
    for (const durationMs of [1, 2, 3, 4, 5, 6]) {
      await rememberDurations(root, BUILD, [{ kind: "step", name: "a", durationMs }]);
    }
    assert.deepEqual((await read()).durations, { "step a": [2, 3, 4, 5, 6] });
  });

  it("drops the spans not seen for longest", async () => {
    const span = (name: string) => ({ kind: "step", name, durationMs: 1 }) as const;
    const names = Array.from({ length: 1_000 }, (_, index) => `s-${index}`);
    await rememberDurations(root, BUILD, names.map(span));
    await rememberDurations(root, BUILD, [span("s-0"), span("new")]);
    const kept = Object.keys((await read()).durations);
    assert.equal(kept.length, 1_000);
    assert.deepEqual([kept.includes("step s-0"), kept.includes("step s-1"), kept.at(-1)], [true, false, "step new"]);
  });

  it("knows which steps were finished: timed, in the store, or by an earlier plan with the same keys", async () => {
    await rememberPlan(root, made);
    assert.deepEqual(await finished(), [false, false]);
    await rememberDurations(root, BUILD, [{ kind: "step", name: "step-0", durationMs: 1 }]);
    assert.deepEqual(await finished(), [true, false]);
    await rememberPlan(root, plan({ steps: stepsOf([[run("a")], [run("c")]]) }));
    assert.deepEqual(await finished(), [true, false]);
    await rememberPlan(root, made, { cachedSteps: 2 });
    assert.deepEqual(await finished(), [true, true]);
    await rememberPlan(root, plan({ steps: stepsOf([[run("d")], [run("b")]]) }));
    assert.deepEqual(await finished(), [false, false]);
  });

  for (const [what, text] of [
    ["cut short", '{"schema":"kvci-build/history","vers'],
    ["of another schema", '{"schema":"kvci-build/history","version":2,"durations":{}}'],
    ["no object", "null"],
    ["empty", ""],
  ] as const) {
    it(`is empty when its file is ${what}, and is written anew`, async () => {
      await mkdir(join(root, "history"));
      await writeFile(file(), text);
      assert.deepEqual(await read(), NOTHING);
      await rememberPlan(root, made);
      assert.equal((await read()).plan?.steps.length, 2);
    });
  }

  it("is the same bytes for the same builds", async () => {
    await rememberPlan(root, made, { cachedSteps: 1 });
    const first = await readFile(file(), "utf8");
    await rememberPlan(root, made, { cachedSteps: 1 });
    assert.equal(await readFile(file(), "utf8"), first);
  });

  it("says what keeps it from being written", async () => {
    await writeFile(join(root, "history"), "in the way");
    await assert.rejects(rememberPlan(join(root, "history"), made));
  });
});
