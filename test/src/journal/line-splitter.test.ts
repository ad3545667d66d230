import assert from "node:assert/strict";
import fc from "fast-check";
import { createLineSplitter, MAX_LINE } from "../../../src/journal/line-splitter.ts";

function split(chunks: readonly string[]): string[] {
  const splitter = createLineSplitter();
  return [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.flush()];
}

describe("line splitter", () => {
  it("keeps empty lines, and reads a carriage return as the end of a line", () => {
    assert.deepEqual(split(["a\n\nb\r\n1 %\r2 %\r\r", "\nc"]), ["a", "", "b", "1 %", "2 %", "", "c"]);
  });

  it("gives the same lines wherever the text is cut", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "\n", "\r") });
    fc.assert(
      fc.property(fc.array(text), (chunks) => {
        assert.deepEqual(split(chunks), split([chunks.join("")]));
      }),
    );
  });

  it("cuts endless lines, but no character", () => {
    const lines = split([`a${"🚀".repeat(MAX_LINE)}`]);
    assert.equal(lines.join(""), `a${"🚀".repeat(MAX_LINE)}`);
    assert.ok(lines.every((line) => line.length <= MAX_LINE && line.isWellFormed()));
  });
});
