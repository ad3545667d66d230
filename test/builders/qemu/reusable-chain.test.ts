import assert from "node:assert/strict";
import { reusableChain, wantedLayers } from "../../../builders/qemu/reusable-chain.ts";
import type { DiskPlan } from "../../../src/core/plan.ts";
import type { Layer, LayerStore } from "../../../src/store/layer.ts";
import { contextOf, fakeLayers, keyOf, layerOf } from "./layers.ts";

const NOW = Date.parse("2026-11-20T12:00:00Z");
const SINCE = NOW - 5_000;

describe("the layers that a plan asks for", () => {
  it("are that of the first boot, then one for each step, with what the step says of its age", () => {
    const disk = {
      bootKey: keyOf("boot"),
      steps: [
        { name: "daily", key: keyOf("daily"), ops: [], maxAgeMs: 1_000 },
        { name: "now", key: keyOf("now"), ops: [], volatile: true },
      ],
    } as unknown as DiskPlan;
    assert.deepEqual(wantedLayers(disk), [
      { key: keyOf("boot") },
      { key: keyOf("daily"), volatile: false, maxAgeMs: 1_000 },
      { key: keyOf("now"), volatile: true, maxAgeMs: undefined },
    ]);
  });
});

describe("the chain to start from", () => {
  const broken = new Set<string>();
  const gone = new Set<string>();
  const touched: string[] = [];
  const maxAges: (number | undefined)[] = [];
  let cut: Layer[] = [];
  beforeEach(() => {
    for (const list of [broken, gone]) list.clear();
    touched.length = maxAges.length = 0;
    cut = [];
  });

  /** Three layers, of which those set aside and all above are not found any more. */
  const store: LayerStore = fakeLayers({
    chain: (wanted) => {
      maxAges.splice(0, Infinity, ...wanted.map(({ maxAgeMs }) => maxAgeMs));
      const layers = ["first boot", "one", "two"].map(layerOf);
      const end = layers.findIndex(({ id }) => gone.has(id));
      return Promise.resolve({ layers: end < 0 ? layers : layers.slice(0, end), end: { kind: "absent" } });
    },
    cut: () => Promise.resolve(cut),
    isIntact: ({ id }) => Promise.resolve(!broken.has(id)),
    setAside: ({ id }) => {
      gone.add(id);
      return Promise.resolve(`/store/set-aside/${id}`);
    },
    link: () => Promise.resolve(),
    touch: (layers) => {
      touched.push(...layers.map(({ id }) => id));
      return Promise.resolve();
    },
  });
  const contextWith = (options = {}) => contextOf(["one", "two"], { layers: store, now: () => NOW }, options);
  const names = (layers: readonly Layer[]): string[] => layers.map(({ id }) => id);

  it("is all there is, and is noted as used", async () => {
    const context = contextWith();
    assert.deepEqual(names(await reusableChain(context, SINCE)), ["first boot", "one", "two"]);
    assert.deepEqual([touched, context.journal.events], [["first boot", "one", "two"], []]);
  });

  it("ends below a damaged layer, which is set aside and named", async () => {
    broken.add("one");
    const context = contextWith();
    assert.deepEqual(names(await reusableChain(context, SINCE)), ["first boot"]);
    const [event] = context.journal.events;
    assert.ok(event?.type === "warning");
    assert.equal(event.subject, "layer of step one");
    assert.match(event.detail, /it is now \/store\/set-aside\/one, /);
  });

  it("is looked at again until nothing in it is damaged", async () => {
    for (const id of ["two", "first boot"]) broken.add(id);
    const context = contextWith();
    assert.deepEqual(await reusableChain(context, SINCE), []);
    assert.deepEqual([...gone], ["first boot"]);
    assert.deepEqual(touched, []);
  });

  it("names layers whose disk was cut off or lost, too", async () => {
    cut = [layerOf("two")];
    const context = contextWith();
    assert.deepEqual(names(await reusableChain(context, SINCE)), ["first boot", "one"]);
    assert.match(JSON.stringify(context.journal.events), /layer of step two/);
  });

  it("has none but this build's own when others are not wanted", async () => {
    await reusableChain(contextWith({ layers: false }), SINCE);
    assert.deepEqual(maxAges, [5_000, 5_000, 5_000]);
  });

  it("is not looked for after Ctrl-C", async () => {
    const signal = AbortSignal.abort(new Error("interrupted"));
    await assert.rejects(reusableChain(contextWith({ signal }), SINCE), /interrupted/);
  });
});
