import assert from "node:assert/strict";
import fc from "fast-check";
import { sha256 } from "../../../src/core/digest.ts";
import { longestChain } from "../../../src/store/layer-chain.ts";
import type { Layer, WantedLayer } from "../../../src/store/layer.ts";

const KEYS = ["a", "b", "c", "d"].map((name) => sha256(name));
const NOW = Date.parse("2026-11-20T12:00:00Z");
const HOUR_MS = 3_600_000;

interface Sketch {
  readonly key: number;
  readonly below: number;
  readonly ageHours: number;
}

/** Layers that stand on earlier ones, or on the base. */
function layersOf(sketches: readonly Sketch[]): Layer[] {
  return sketches.map(({ key, below, ageHours }, at) => ({
    schema: "kvci-build/layer",
    version: 1,
    id: `layer ${at}`,
    key: KEYS[key]!,
    parent: below < at ? `layer ${below}` : undefined,
    backing: "x",
    digest: sha256("x"),
    bytes: 1,
    virtualBytes: 1,
    step: "s",
    ops: [],
    template: "t",
    createdAt: new Date(NOW - ageHours * HOUR_MS).toISOString(),
    durationMs: 1,
    path: "/x",
    link: "/y",
  }));
}

/** All chains, by trying everything. */
function longestLength(wanted: readonly WantedLayer[], layers: readonly Layer[], below?: string): number {
  const [want, ...rest] = wanted;
  if (!want || want.volatile) return 0;
  const fitting = layers.filter(
    ({ key, parent, createdAt }) =>
      key === want.key && parent === below && NOW - Date.parse(createdAt) <= (want.maxAgeMs ?? Infinity),
  );
  return Math.max(0, ...fitting.map(({ id }) => 1 + longestLength(rest, layers, id)));
}

describe("the longest chain", () => {
  const sketch = fc.record({ key: fc.nat(3), below: fc.nat(8), ageHours: fc.nat(4) });
  const want = fc.record({
    key: fc.constantFrom(...KEYS),
    maxAgeMs: fc.option(fc.constant(2 * HOUR_MS), { nil: undefined }),
    volatile: fc.option(fc.boolean(), { nil: undefined, freq: 4 }),
  });

  it("is as long as any that can be made by trying everything, and each of its layers fits", () => {
    fc.assert(
      fc.property(fc.array(sketch, { maxLength: 14 }), fc.array(want, { maxLength: 5 }), (sketches, wanted) => {
        const layers = layersOf(sketches);
        const chain = longestChain(wanted, layers, NOW);
        assert.equal(chain.layers.length, longestLength(wanted, layers));
        for (const [at, layer] of chain.layers.entries()) {
          assert.equal(layer.key, wanted[at]?.key);
          assert.equal(layer.parent, chain.layers[at - 1]?.id);
          assert.ok(!wanted[at]?.volatile);
        }
        const next = wanted[chain.layers.length];
        assert.equal(chain.end.kind === "complete", next === undefined);
        assert.equal(chain.end.kind === "volatile", next?.volatile === true);
      }),
      { numRuns: 300 },
    );
  });

  it("names the newest of those that are too old", () => {
    const layers = layersOf([
      { key: 0, below: 9, ageHours: 4 },
      { key: 0, below: 9, ageHours: 3 },
    ]);
    assert.deepEqual(longestChain([{ key: KEYS[0]!, maxAgeMs: HOUR_MS }], layers, NOW).end, {
      kind: "too-old",
      createdAt: "2026-11-20T09:00:00.000Z",
    });
  });
});
