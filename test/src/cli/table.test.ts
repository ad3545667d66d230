import assert from "node:assert/strict";
import { table } from "../../../src/cli/table.ts";

describe("a table", () => {
  it("is as wide as its widest cells, by what a terminal shows", () => {
    assert.deepEqual(
      table(
        ["right", "left", "left"],
        [
          ["SIZE", "WHAT", "BY"],
          ["12 B", "日本", "2"],
          ["1.50 KiB", "layer", ""],
        ],
      ),
      ["    SIZE  WHAT   BY", "    12 B  日本   2", "1.50 KiB  layer"],
    );
  });

  it("of no rows has no lines", () => {
    assert.deepEqual(table(["left"], []), []);
  });
});
