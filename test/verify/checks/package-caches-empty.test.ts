import assert from "node:assert/strict";
import { packageCachesEmpty } from "../../../verify/checks/package-caches-empty.ts";
import { findingOf } from "../fake-clone.ts";

describe("package-caches-empty check", () => {
  it("passes empty caches", async () => {
    assert.equal((await findingOf(packageCachesEmpty, ["", ""])).ok, true);
  });

  it("names what came with the disk", async () => {
    const finding = await findingOf(packageCachesEmpty, [
      "",
      "cached: /var/cache/apt/pkgcache.bin\ncached: /var/lib/apt/lists/a\n",
    ]);
    assert.equal(finding.ok, false);
    assert.equal(finding.detail, "verify-b: /var/cache/apt/pkgcache.bin came with the disk (and 1 more)");
    assert.equal(finding.evidence.length, 2);
  });
});
