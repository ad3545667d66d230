import assert from "node:assert/strict";
import { httpFiles } from "../../../src/base/http-file.ts";
import { ImageMirror } from "../../fakes/image-mirror.ts";

describe("small files over HTTP", () => {
  const signal = new AbortController().signal;
  const fetchFile = httpFiles({ signal, idleMs: 100, backoffMs: 5 });
  const servers: ImageMirror[] = [];

  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server[Symbol.asyncDispose]()));
  });

  async function mirror(...options: Parameters<typeof ImageMirror.start>): Promise<ImageMirror> {
    const server = await ImageMirror.start(...options);
    servers.push(server);
    return server;
  }

  it("are read whole", async () => {
    const server = await mirror({ "/SUMS": "text" });
    assert.equal(String(await fetchFile(server.url("/SUMS"))), "text");
    assert.equal(server.requests[0]?.headers["user-agent"], "kvci-build");
  });

  it("are asked for again after a passing failure", async () => {
    const server = await mirror({ "/SUMS": "text" }, { status: 503, statusTimes: 2 });
    assert.equal(String(await fetchFile(server.url("/SUMS"))), "text");
    assert.equal(server.requests.length, 3);
  });

  it("that are not there are asked for once", async () => {
    const server = await mirror({});
    await assert.rejects(fetchFile(server.url("/SUMS")), { code: "download-failed", message: /SUMS: HTTP 404$/ });
    assert.equal(server.requests.length, 1);
  });

  it("that are large are refused", async () => {
    const server = await mirror({ "/SUMS": Buffer.alloc(9 * 1024 * 1024) });
    await assert.rejects(fetchFile(server.url("/SUMS")), {
      code: "download-failed",
      message: /more than 8388608 bytes/,
    });
  });

  it("that do not come are given up", async () => {
    const server = await mirror({ "/SUMS": "text" }, { stallAfterBytes: 1 });
    await assert.rejects(fetchFile(server.url("/SUMS")), {
      code: "download-failed",
      message: /nothing came for 0.1 s/,
    });
  });

  it("end with interrupted on abort", async () => {
    const server = await mirror({ "/SUMS": "text" }, { stallAfterBytes: 1 });
    const fetchUntil = httpFiles({ signal: AbortSignal.timeout(20), idleMs: 5_000 });
    await assert.rejects(fetchUntil(server.url("/SUMS")), { code: "interrupted" });
  });
});
