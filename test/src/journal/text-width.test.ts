import assert from "node:assert/strict";
import fc from "fast-check";
import { cutText, displayLine, textWidth, wrapText } from "../../../src/journal/text-width.ts";

describe("text width", () => {
  it("counts wide characters twice and marks not at all", () => {
    assert.deepEqual(["abc", "✔ ä", "日本", "e\u0301", "🚀"].map(textWidth), [3, 3, 4, 1, 2]);
  });
});

describe("cut text", () => {
  it("ends in an ellipsis", () => {
    assert.deepEqual(
      [cutText("abcdef", 6), cutText("abcdef", 5), cutText("日本語", 5), cutText("abc", 0)],
      ["abcdef", "abcd…", "日本…", ""],
    );
  });
  it("never is wider than asked", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme" }),
        fc.nat({ max: 40 }),
        (text, columns) => textWidth(cutText(text, columns)) <= columns,
      ),
    );
  });
});

describe("display line", () => {
  it("has no escape sequences and no control characters", () => {
    assert.equal(
      displayLine("\u001B[31mred\u001B[0m\tand\u0007 bell\r\nnext\u001B]0;title\u0007 "),
      "red and bell next",
    );
  });
});

describe("wrapped text", () => {
  it("breaks at spaces and keeps long words whole", () => {
    assert.deepEqual(wrapText("see /a/very/long/path now\nok", 8), ["see", "/a/very/long/path", "now", "ok"]);
  });
});
