import assert from "node:assert/strict";
import fc from "fast-check";
import { bootstrapperOf } from "../../../builders/packages/bootstrappers.ts";
import { keyOf, packagesOf, releaseOf } from "../../../builders/packages/recipe.ts";
import { packages } from "../../../src/core/base.ts";

const debian12 = packages({ distribution: "debian", release: "12" });

describe("packages base recipe", () => {
  it("takes the kernel and the boot loader of the architecture", () => {
    const names = packagesOf(debian12, "arm64");
    assert.ok(names.includes("linux-image-cloud-arm64"));
    assert.ok(names.includes("systemd-boot"));
    const s390x = packagesOf(debian12, "s390x");
    assert.ok(s390x.includes("linux-image-s390x"));
    assert.ok(s390x.includes("s390-tools"));
    assert.ok(!s390x.includes("systemd-boot"));
  });

  it("names every package once, in order, with those of the spec", () => {
    const names = packagesOf(packages({ ...debian12, include: ["vim", "sudo"] }), "amd64");
    assert.deepEqual(names, [...new Set(names)].sort());
    assert.ok(names.includes("vim"));
  });

  it("refuses a distribution that has no bootstrapper, and points to cloudImage", () => {
    assert.throws(() => bootstrapperOf(packages({ distribution: "fedora", release: "43" })), {
      code: "base-failed",
      hint: /cloudImage\(\{ distribution: "fedora", release: "43" \}\)/,
    });
  });

  it("refuses releases and architectures it does not know, and names those it does", () => {
    const old = packages({ distribution: "debian", release: "7" });
    assert.throws(() => releaseOf(old, "amd64"), { code: "base-failed", hint: /12, 13/ });
    const ubuntu = packages({ distribution: "ubuntu", release: "24.04" });
    assert.throws(() => releaseOf(ubuntu, "arm64"), { code: "base-failed", hint: /amd64/ });
  });
});

describe("packages base key", () => {
  it("is 64 hexadecimal digits and differs by release, architecture and packages", () => {
    const keys = [
      keyOf(debian12, "amd64"),
      keyOf(debian12, "arm64"),
      keyOf(packages({ distribution: "debian", release: "13" }), "amd64"),
      keyOf(packages({ distribution: "debian", release: "12", include: ["vim"] }), "amd64"),
    ];
    for (const key of keys) assert.match(key, /^[0-9a-f]{64}$/);
    assert.equal(new Set(keys).size, keys.length);
  });

  it("does not depend on the order or repetition of included packages", () => {
    const names = fc.array(fc.constantFrom("vim", "htop", "jq", "tmux"), { minLength: 1 });
    fc.assert(
      fc.property(names, (include) => {
        const sorted = [...new Set(include)].sort();
        assert.equal(keyOf({ ...debian12, include }, "amd64"), keyOf({ ...debian12, include: sorted }, "amd64"));
      }),
    );
  });
});
