import assert from "node:assert/strict";
import fc from "fast-check";
import { diffLines, unifiedDiff } from "../../../src/core/line-diff.ts";

const lines = fc.array(fc.constantFrom<string>("a", "b", "c", ""), { maxLength: 12 });

describe("comparison of lines", () => {
  it("holds both lists whole, each in its order and at its place", () => {
    fc.assert(
      fc.property(lines, lines, (before, after) => {
        const diff = diffLines(before, after);
        const old = diff.filter(({ kind }) => kind !== "added");
        const now = diff.filter(({ kind }) => kind !== "removed");
        assert.deepEqual([old.map(({ text }) => text), now.map(({ text }) => text)], [before, after]);
        assert.deepEqual(
          [old.map(({ from }) => from), now.map(({ to }) => to)],
          [[...before.keys()], [...after.keys()]],
        );
      }),
    );
  });

  it("of equal lists has nothing but same lines, and of one line more only that", () => {
    fc.assert(
      fc.property(lines, fc.nat({ max: 12 }), (list, at) => {
        assert.ok(diffLines(list, list).every(({ kind }) => kind === "same"));
        const longer = list.toSpliced(at, 0, "new");
        const added = diffLines(list, longer).filter(({ kind }) => kind !== "same");
        assert.deepEqual(
          added.map(({ kind, text }) => [kind, text]),
          [["added", "new"]],
        );
      }),
    );
  });

  it("gives up on what is too long for anybody to read, but not on its equal ends", () => {
    const many = (letter: string): string[] => Array.from({ length: 3_000 }, (_, index) => `${letter}${index}`);
    const diff = diffLines(["head", ...many("a"), "tail"], ["head", ...many("b"), "tail"]);
    assert.equal(diff.length, 6_002);
    assert.deepEqual(
      [diff[0]?.kind, diff[1]?.kind, diff.at(-2)?.kind, diff.at(-1)?.kind],
      ["same", "removed", "added", "same"],
    );
  });
});

describe("unified diff", () => {
  const numbers = Array.from({ length: 20 }, (_, index) => String(index + 1));

  it("is empty when nothing changed", () => assert.deepEqual(unifiedDiff(diffLines(numbers, numbers)), []));

  it("shows three lines around each change, as diff -u does", () => {
    const after = numbers.with(4, "five").toSpliced(15, 1);
    assert.deepEqual(unifiedDiff(diffLines(numbers, after)), [
      "@@ -2,7 +2,7 @@",
      " 2",
      " 3",
      " 4",
      "-5",
      "+five",
      " 6",
      " 7",
      " 8",
      "@@ -13,7 +13,6 @@",
      " 13",
      " 14",
      " 15",
      "-16",
      " 17",
      " 18",
      " 19",
    ]);
  });

  it("numbers an empty side by the line before it", () => {
    assert.deepEqual(unifiedDiff(diffLines([], ["a"])), ["@@ -0,0 +1,1 @@", "+a"]);
    assert.deepEqual(unifiedDiff(diffLines(["a"], [])), ["@@ -1,1 +0,0 @@", "-a"]);
  });
});
