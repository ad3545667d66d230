import assert from "node:assert/strict";
import { placeNamed } from "../../verify/place.ts";
import { FakePlace } from "./fake-clone.ts";

describe("placeNamed", () => {
  const fake = new FakePlace(() => Promise.reject(new RangeError("never booted")));

  it("finds a place by its name", () => {
    assert.equal(placeNamed([fake], "fake"), fake);
  });

  it("names the places that exist", () => {
    assert.throws(() => placeNamed([fake], "moon"), { code: "usage", hint: "Use --on fake." });
  });
});
