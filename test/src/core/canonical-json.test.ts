import assert from "node:assert/strict";
import fc from "fast-check";
import { canonicalJson } from "../../../src/core/canonical-json.ts";
import { KvciError } from "../../../src/core/error.ts";
import { anything } from "./arbitraries.ts";

const json = fc.jsonValue({ noUnicodeString: false }).filter((value) => JSON.stringify(value).isWellFormed());

describe("canonical JSON", () => {
  it("is JSON that says the same", () => {
    fc.assert(
      fc.property(json, (value) => {
        // Through JSON once, as it has no -0.
        assert.deepEqual(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it("does not depend on the order of keys, at any depth", () => {
    fc.assert(fc.property(json, (value) => assert.equal(canonicalJson(reversed(value)), canonicalJson(value))));
  });

  it("differs where JSON differs", () => {
    fc.assert(
      fc.property(json, json, (a, b) => {
        fc.pre(canonicalJson(a) === canonicalJson(b));
        assert.deepEqual(JSON.parse(JSON.stringify(a)), JSON.parse(JSON.stringify(b)));
      }),
      { numRuns: 20, maxSkipsPerRun: 10_000 },
    );
  });

  it("either round trips or is refused with a KvciError", () => {
    fc.assert(
      fc.property(anything, (value) => {
        try {
          const text = canonicalJson(value);
          assert.equal(canonicalJson(JSON.parse(text)), text);
        } catch (error) {
          assert.ok(error instanceof KvciError, String(error));
          assert.equal(error.code, "internal");
        }
      }),
      { numRuns: 500 },
    );
  });

  it("leaves out members that are undefined, as JSON does", () => {
    assert.equal(canonicalJson({ b: undefined, a: 1 }), '{"a":1}');
  });

  it("sorts keys by UTF-16 code unit, not by a locale", () => {
    // U+1F600 starts with the unit D83D, so it comes before U+FB33 though its code point is higher.
    const keys = ["Z", "z", "\u00e4", "\u20ac", "\u{1f600}", "\ufb33"];
    const value = Object.fromEntries(keys.toReversed().map((key) => [key, 1]));
    assert.deepEqual(Object.keys(JSON.parse(canonicalJson(value)) as object), keys);
  });

  const itself: Record<string, unknown> = {};
  itself["self"] = itself;
  const refused: Record<string, unknown> = {
    "a function": { run: () => 1 },
    "a symbol": { a: Symbol("x") },
    "a symbol as key": { [Symbol("x")]: 1 },
    "a bigint": [1n],
    NaN: Number.NaN,
    infinity: { deep: [Number.POSITIVE_INFINITY] },
    "undefined in a list": [undefined],
    "a hole in a list": new Array(2),
    "half a surrogate pair": "\uD800",
    "half a surrogate pair in a key": { "\uDC00": 1 },
    "a date": new Date(0),
    "a map": new Map(),
    "undefined itself": undefined,
    "an object that holds itself": itself,
  };
  for (const [what, value] of Object.entries(refused)) {
    it(`refuses ${what}`, () => {
      assert.throws(() => canonicalJson(value), { name: "KvciError", code: "internal", message: /^\$/ });
    });
  }
});

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, reversed(member)]),
  );
}
