import assert from "node:assert/strict";
import { packageUrl } from "../../../src/sbom/purl.ts";

describe("package URL", () => {
  it("names a deb by distribution, version with epoch, architecture and release", () => {
    const item = { name: "libstdc++6", version: "1:12.2.0-14+deb12u1", arch: "amd64" };
    assert.equal(
      packageUrl(item, { distribution: "debian", release: "12" }),
      "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14+deb12u1?arch=amd64&distro=debian-12",
    );
  });

  it("makes an RPM's epoch a qualifier", () => {
    const item = { name: "shadow-utils", version: "2:4.9-8.el9", arch: "x86_64" };
    assert.equal(
      packageUrl(item, { distribution: "centos", release: "9" }),
      "pkg:rpm/centos/shadow-utils@4.9-8.el9?arch=x86_64&distro=centos-9&epoch=2",
    );
  });

  it("is absent for what cannot have one", () => {
    assert.equal(
      packageUrl({ name: "", version: "1", arch: "all" }, { distribution: "debian", release: "12" }),
      undefined,
    );
  });
});
