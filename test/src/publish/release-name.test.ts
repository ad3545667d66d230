import assert from "node:assert/strict";
import { defaultVersion, releaseName } from "../../../src/publish/release-name.ts";
import { releaseBuild } from "./release-build.ts";

describe("release name", () => {
  it("is filled in from the build", () => {
    const build = releaseBuild({ version: "20261121-0123abcd" });
    assert.equal(releaseName("{template}-{version}-{arch}", build), "node-20261121-0123abcd-amd64");
    assert.equal(releaseName("{template}-{date}", build), "node-20261121");
  });

  it("refuses a field that does not exist, with the nearest that does", () => {
    assert.throws(() => releaseName("{templat}", releaseBuild()), {
      code: "environment-invalid",
      hint: /did you mean "template"/,
    });
  });

  it("has a version that belongs to the build when nobody gives one", () => {
    const build = { startedAt: "2026-11-21T03:04:05.000Z", planId: `sha256:${"0123abcd".repeat(8)}` };
    assert.equal(defaultVersion(build), "20261121-0123abcd");
  });
});
