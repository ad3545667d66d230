import assert from "node:assert/strict";
import fc from "fast-check";
import { InputError } from "../../../src/core/input.ts";
import { cloudImageKey, EMPTY_LOCK, parseLock } from "../../../src/core/lock.ts";
import { anything } from "./arbitraries.ts";

const entry = {
  url: "https://a.example/image.qcow2",
  digest: `sha256:${"1".repeat(64)}`,
  source: "https://a.example/CHECKSUM",
  resolvedAt: "2026-01-02T03:04:05Z",
};

function lockWith(changes: object): unknown {
  return { ...EMPTY_LOCK, cloudImages: { "fedora-43-amd64": { ...entry, ...changes } } };
}

describe("lock", () => {
  it("comes back as it was written", () => {
    const lock = lockWith({ signedBy: "A".repeat(40) });
    assert.deepEqual(parseLock(JSON.parse(JSON.stringify(lock)), "x.json"), lock);
    assert.deepEqual(parseLock(EMPTY_LOCK, "x.json"), EMPTY_LOCK);
  });

  it("may have no images", () => {
    assert.deepEqual(parseLock({ formatVersion: 1 }, "x.json"), EMPTY_LOCK);
  });

  it("names images by distribution, release and architecture", () => {
    assert.equal(cloudImageKey({ distribution: "fedora", release: "43" }, "arm64"), "fedora-43-arm64");
  });

  const wrong: Readonly<Record<string, unknown>> = {
    "another format": { formatVersion: 2 },
    "an unknown key": { formatVersion: 1, cloudImage: {} },
    "a short digest": lockWith({ digest: "sha256:12" }),
    "an upper-case digest": lockWith({ digest: `sha256:${"A".repeat(64)}` }),
    "a key that is no fingerprint": lockWith({ signedBy: "DEADBEEF" }),
    "a date without a time": lockWith({ resolvedAt: "2026-01-02" }),
    "no URL": lockWith({ url: undefined }),
  };
  for (const [what, value] of Object.entries(wrong)) {
    it(`refuses ${what}, naming the file`, () => {
      assert.throws(() => parseLock(value, "x.json"), {
        name: "InputError",
        code: "lock-invalid",
        message: /^lock x\.json: /,
      });
    });
  }

  it("throws nothing but an InputError, whatever it is given", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          anything,
          anything.map((value) => ({ formatVersion: 1, cloudImages: value })),
        ),
        (value) => {
          try {
            parseLock(value, "x.json");
          } catch (error) {
            assert.ok(error instanceof InputError, String(error));
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
