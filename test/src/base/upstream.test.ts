import assert from "node:assert/strict";
import { pathBelowBase, upstreamUrls } from "../../../src/base/upstream.ts";

const URL = "https://pkgs.example:8443/a/b%2B1.deb?x=1/2";

describe("upstream", () => {
  it("is a URL's mirrors and the URL itself", () => {
    const mirrors = { "https://pkgs.example:8443/a": ["http://m.example/"] };
    assert.deepEqual(upstreamUrls(URL, { mirrors, baseUrl: undefined }), ["http://m.example/b%2B1.deb?x=1/2", URL]);
  });

  it("is one place alone where the environment has a base URL, queries in the file's name", () => {
    const upstream = {
      mirrors: { "https://pkgs.example:8443/": ["http://m.example/"] },
      baseUrl: "http://air.example/x/",
    };
    assert.deepEqual(upstreamUrls(URL, upstream), ["http://air.example/x/pkgs.example:8443/a/b%2B1.deb%3Fx%3D1%2F2"]);
  });

  it("keeps dots from leading out of it", () => {
    assert.equal(pathBelowBase("https://h.example/a/../../b/%2e%2e/c"), "h.example/c");
  });
});
