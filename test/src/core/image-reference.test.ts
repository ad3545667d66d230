import assert from "node:assert/strict";
import { atDigest, digestIn, namesOf, repositoryOf } from "../../../src/core/image-reference.ts";

const DIGEST = `sha256:${"a".repeat(64)}` as const;

describe("image reference", () => {
  it("has a repository, whose registry may have a port", () => {
    assert.equal(repositoryOf("registry.example/group/name:1.0"), "registry.example/group/name");
    assert.equal(repositoryOf("localhost:5000/name"), "localhost:5000/name");
    assert.equal(repositoryOf("localhost:5000/name:1.0"), "localhost:5000/name");
    assert.equal(repositoryOf(`localhost:5000/name:1.0@${DIGEST}`), "localhost:5000/name");
  });

  it("may have a digest, which replaces a tag", () => {
    assert.equal(digestIn("registry.example/name:1.0"), undefined);
    assert.equal(digestIn(`registry.example/name@${DIGEST}`), DIGEST);
    assert.equal(atDigest("registry.example/name:1.0", DIGEST), `registry.example/name@${DIGEST}`);
  });

  it("is listed by tag and by digest, or by digest alone where it has one", () => {
    const byDigest = `registry.example/name@${DIGEST}`;
    assert.deepEqual(namesOf({ ref: "registry.example/name:1.0", digest: DIGEST }), [
      "registry.example/name:1.0",
      byDigest,
    ]);
    assert.deepEqual(namesOf({ ref: `registry.example/name:1.0@${DIGEST}`, digest: DIGEST }), [byDigest]);
  });
});
