import assert from "node:assert/strict";
import { hasProxy, proxySettings } from "../../../src/base/proxy-settings.ts";

const LOOPBACK = ["localhost", "127.0.0.1", "::1"];
const NONE = { no: [] };

describe("proxies", () => {
  it("are those of the process where the environment names none, in lower or upper case", () => {
    const lower = {
      http_proxy: "http://p.example:1",
      HTTP_PROXY: "http://q.example:2",
      NO_PROXY: "a.example, .b.example",
    };
    assert.deepEqual(proxySettings(NONE, lower), {
      http: "http://p.example:1",
      https: "http://p.example:1",
      no: ["a.example", ".b.example", ...LOOPBACK],
    });
    assert.equal(proxySettings(NONE, { HTTPS_PROXY: "p.example:3128" }).https, "http://p.example:3128");
  });

  it("are the environment's where it names some", () => {
    const env = { http_proxy: "http://p.example:1", https_proxy: "http://p.example:1", no_proxy: "a.example" };
    const own = { http: "http://own.example:1", https: "http://own.example:2", no: ["c.example"] };
    assert.deepEqual(proxySettings(own, env), { ...own, no: ["c.example", ...LOOPBACK] });
  });

  it("never stand between this process and its own host", () => {
    const settings = proxySettings(NONE, { no_proxy: "localhost", https_proxy: "" });
    assert.deepEqual([settings, hasProxy(settings)], [{ no: LOOPBACK }, false]);
  });

  it("that are no http URLs are refused without being shown", () => {
    for (const value of ["socks5://user:hunter2@p.example", "http://a b"]) {
      assert.throws(
        () => proxySettings(NONE, { https_proxy: value }),
        (error: Error & { code?: string }) => {
          assert.deepEqual([error.code, error.message.includes("hunter2")], ["environment-invalid", false]);
          assert.match(error.message, /https_proxy/);
          return true;
        },
      );
    }
  });
});
