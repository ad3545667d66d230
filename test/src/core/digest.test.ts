import assert from "node:assert/strict";
import { digestOfValue, isDigest, sha256, shortDigest } from "../../../src/core/digest.ts";

const EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

describe("digest", () => {
  it("is sha256 as OCI writes it", () => {
    assert.equal(sha256(""), EMPTY);
    assert.equal(sha256("ä"), sha256(Buffer.from("ä", "utf8")));
  });

  it("of a value does not depend on the order of keys", () => {
    assert.equal(digestOfValue({ a: 1, b: [2] }), digestOfValue({ b: [2], a: 1 }));
    assert.equal(digestOfValue("x"), sha256('"x"'));
  });

  it("is told from other text", () => {
    assert.ok(isDigest(EMPTY));
    assert.ok(isDigest(`sha512:${"0".repeat(128)}`));
    for (const text of [
      "",
      "sha256:",
      EMPTY.toUpperCase(),
      `${EMPTY}\n`,
      ` ${EMPTY}`,
      EMPTY.slice(7),
      `md5:${"0".repeat(32)}`,
    ]) {
      assert.ok(!isDigest(text), text);
    }
  });

  it("is shortened to 12 digits for people", () => {
    assert.equal(shortDigest(EMPTY), "e3b0c44298fc");
  });
});
