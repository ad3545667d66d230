import assert from "node:assert/strict";
import { choice } from "../../../src/steps/choice.ts";

const BASES = { "debian-12": 12, "debian-13": 13, none: 0 };

describe("choice", () => {
  it("is what the name stands for", () => {
    assert.equal(choice("base", "debian-13", BASES), 13);
    assert.equal(choice("base", "none", BASES), 0);
  });

  it("refuses other names, with the nearest or with all", () => {
    const code = "template-invalid";
    assert.throws(() => choice("base", "debian13", BASES), {
      code,
      message: 'base: "debian13" is not known here; did you mean "debian-13"?',
    });
    assert.throws(() => choice("base", "x", BASES), {
      code,
      message: 'base: "x" is not known here; known are debian-12, debian-13, none',
    });
    assert.throws(() => choice("base", "toString", BASES), { code });
  });
});
