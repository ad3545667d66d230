import assert from "node:assert/strict";
import { applyMirrors } from "../../../src/base/mirrors.ts";

describe("mirrors", () => {
  const ORIGINAL = "https://a.example/pub/fedora/43/disk.qcow2";

  it("come first, in their order, and the original last", () => {
    const mirrors = { "https://a.example/pub": ["http://m1/fedora-pub/", "http://m2"] };
    assert.deepEqual(applyMirrors([ORIGINAL], mirrors), [
      "http://m1/fedora-pub/fedora/43/disk.qcow2",
      "http://m2/fedora/43/disk.qcow2",
      ORIGINAL,
    ]);
  });

  it("are those of the longest prefix", () => {
    const mirrors = { "https://a.example/": ["http://all"], "https://a.example/pub/fedora/": ["http://fedora"] };
    assert.deepEqual(applyMirrors([ORIGINAL], mirrors), ["http://fedora/43/disk.qcow2", ORIGINAL]);
  });

  it("stand for whole path segments only", () => {
    assert.deepEqual(applyMirrors(["https://a.example/public/x"], { "https://a.example/pub": ["http://m"] }), [
      "https://a.example/public/x",
    ]);
    assert.deepEqual(applyMirrors(["https://a.example.evil/x"], { "https://a.example": ["http://m"] }), [
      "https://a.example.evil/x",
    ]);
  });

  it("may stand for one file, and no URL comes twice", () => {
    assert.deepEqual(applyMirrors([ORIGINAL, "http://m/x"], { [ORIGINAL]: ["http://m/x"] }), ["http://m/x", ORIGINAL]);
  });
});
