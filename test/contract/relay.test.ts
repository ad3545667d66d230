import assert from "node:assert/strict";
import { request as ask, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { fetchBy } from "../../src/base/http-egress.ts";
import { proxySettings } from "../../src/base/proxy-settings.ts";
import { Disposer } from "../../src/core/disposal.ts";
import type { Upstream } from "../../src/base/upstream.ts";
import { startRelay, type RelayOptions } from "../../src/relay/relay.ts";
import { HttpProxy } from "../fakes/http-proxy.ts";
import { ImageMirror, type MirrorFaults } from "../fakes/image-mirror.ts";
import { RecordingJournal } from "../fakes/recording-journal.ts";
import { TlsSite } from "../fakes/tls-site.ts";

interface Answer {
  readonly status: number;
  readonly reason: string;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

/** Asks as a package manager does, without anything that fetch would do by itself. */
function get(
  port: number,
  path: string,
  options: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = ask({ host: "127.0.0.1", port, path, agent: false, ...options }, (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      response.once("error", reject);
      response.once("end", () => {
        const { statusCode: status = 0, statusMessage: reason = "", headers } = response;
        resolve({ status, reason, headers, text: Buffer.concat(pieces).toString() });
      });
    });
    request.once("error", reject);
    request.end();
  });
}

describe("the relay", () => {
  let open: Disposer;
  let journal: RecordingJournal;
  /** Nobody listens there. */
  let dead: string;
  beforeEach(async () => {
    open = new Disposer();
    const gone = await ImageMirror.start({});
    dead = gone.url("");
    await gone[Symbol.asyncDispose]();
    journal = new RecordingJournal();
  });
  afterEach(() => open[Symbol.asyncDispose]());

  const server = async (files: Record<string, string | Uint8Array>, faults: MirrorFaults = {}): Promise<ImageMirror> =>
    open.use(await ImageMirror.start(files, faults));
  const relay = async (upstream: Partial<Upstream>, more: Partial<RelayOptions> = {}): Promise<number> => {
    const { signal } = new AbortController();
    const options = {
      upstream: { mirrors: {}, baseUrl: undefined, ...upstream },
      proxied: false,
      journal,
      signal,
      ...more,
    };
    return open.use(await startRelay(options)).port;
  };
  const mirrored = (...urls: readonly string[]): Partial<Upstream> => ({
    mirrors: { "https://a.example/pub": [...urls] },
  });
  const failures = (): string[] => journal.of("mirror-failed").map(({ url, reason }) => `${url}: ${reason}`);

  it("gives what a mirror has, with what caches go by, and asks it nothing but that", async () => {
    const mirror = await server({ "/m/x.deb?v=1": "package" });
    const port = await relay(mirrored(mirror.url("/m")));
    const answer = await get(port, "/https/a.example/pub/x.deb?v=1", {
      headers: { authorization: "Basic x", cookie: "a=b", "if-none-match": '"other"', "user-agent": "apt" },
    });
    assert.deepEqual([answer.status, answer.text], [200, "package"]);
    assert.deepEqual([answer.headers.etag, answer.headers["content-length"]], ['"one"', "7"]);
    const [seen] = mirror.requests;
    assert.ok(seen);
    assert.equal(seen.headers["if-none-match"], '"other"');
    assert.deepEqual([seen.headers["authorization"], seen.headers["cookie"]], [undefined, undefined]);
    assert.deepEqual(failures(), []);
  });

  it("asks mirrors in their order and goes on when one fails or has not got it; each failure is told", async () => {
    const [broken, without, good] = [
      await server({}, { status: 503 }),
      await server({}),
      await server({ "/x": "found" }),
    ];
    const port = await relay(mirrored(dead, broken.url(""), without.url(""), good.url("")));
    const answer = await get(port, "/https/a.example/pub/x");
    assert.deepEqual([answer.status, answer.text], [200, "found"]);
    assert.equal(failures().length, 2);
    assert.match(failures()[0] ?? "", /^http:\/\/127\.0\.0\.1:\d+\/x: .*ECONNREFUSED/);
    assert.match(failures()[1] ?? "", /\/x: HTTP 503$/);
  });

  it("asks below a base URL and nowhere else", async () => {
    const base = await server({ "/kvci/a.example/pub/x": "x", "/kvci/b.example:8443/y": "y" });
    const port = await relay({ baseUrl: `${base.url("/kvci")}/` });
    assert.equal((await get(port, "/https/a.example/pub/x")).text, "x");
    assert.equal((await get(port, "/http/b.example:8443/y")).text, "y");
    assert.equal((await get(port, "/https/a.example/gone")).status, 404);
    assert.deepEqual(failures(), []);
  });

  it("hands ranges, HEAD and what has not changed on", async () => {
    const mirror = await server({ "/x": "0123456789" });
    const port = await relay(mirrored(mirror.url("")));
    const part = await get(port, "/https/a.example/pub/x", { headers: { range: "bytes=2-4" } });
    assert.deepEqual([part.status, part.text, part.headers["content-range"]], [206, "234", "bytes 2-4/10"]);
    const behind = await get(port, "/https/a.example/pub/x", { headers: { range: "bytes=20-30" } });
    assert.deepEqual([behind.status, behind.headers["content-range"]], [416, "bytes */10"]);
    const head = await get(port, "/https/a.example/pub/x", { method: "HEAD" });
    assert.deepEqual([head.status, head.text, head.headers["content-length"]], [200, "", "10"]);
    mirror.faults.status = 304;
    assert.equal((await get(port, "/https/a.example/pub/x")).status, 304);
  });

  it("says in one line, also of the status, which URL nobody delivers and why", async () => {
    const port = await relay({ baseUrl: dead });
    const { status, reason, text } = await get(port, "/https/a.example/pub/x?token=secret");
    assert.equal(status, 502);
    assert.match(text, /^cannot fetch https:\/\/a\.example\/pub\/x\?\.\.\.: .*ECONNREFUSED 127\.0\.0\.1:\d+\n$/);
    assert.equal(`${reason}\n`, text);
    assert.doesNotMatch(text, /secret/);
  });

  it("passes the answer of the last place on, whatever it is", async () => {
    const mirror = await server({}, { status: 503, retryAfter: "7" });
    const answer = await get(await relay({ baseUrl: mirror.url("") }), "/https/a.example/x");
    assert.deepEqual([answer.status, answer.headers["retry-after"]], [503, "7"]);
  });

  it("gives up a server that stalls before its answer, and breaks off where it stalls within", async () => {
    const slow = await server({ "/x": "0123456789" }, { delayMs: 60_000 });
    const tuning = { idleMs: 150 };
    const port = await relay(mirrored(slow.url(""), slow.url("/again")), { tuning });
    const answer = await get(port, "/https/a.example/pub/x");
    assert.equal(answer.status, 502);
    assert.deepEqual(
      failures().slice(0, 2),
      ["/x", "/again/x"].map((path) => `${slow.url(path)}: nothing came for 0.15 s`),
    );
    const stalled = await server({ "/a.example/x": "0123456789" }, { stallAfterBytes: 4 });
    const cut = await relay({ baseUrl: stalled.url("") }, { tuning });
    await assert.rejects(get(cut, "/https/a.example/x"), /aborted|ECONNRESET|socket hang up/);
    assert.match(failures().at(-1) ?? "", /nothing came for 0\.15 s$/);
  });

  it("ends a file that takes too long", async () => {
    const slow = await server({ "/a.example/x": "x" }, { delayMs: 60_000 });
    const port = await relay({ baseUrl: slow.url("") }, { tuning: { requestMs: 200 } });
    const answer = await get(port, "/https/a.example/x");
    assert.deepEqual([answer.status, /it did not come within 0\.2 s/.test(answer.text)], [502, true]);
  });

  it("refuses other methods, other paths, and places of the host that no mirror names", async () => {
    const secret = await server({ "/x": "secret" });
    const port = await relay({});
    assert.equal((await get(port, "/https/a.example/x", { method: "POST" })).status, 405);
    assert.equal((await get(port, "/x")).status, 400);
    const here = `/${secret.url("/x").replace("://", "/")}`;
    for (const path of [here, here.replace("127.0.0.1", "localhost"), "/http/169.254.169.254/latest/meta-data/"]) {
      const { status, text } = await get(port, path);
      assert.deepEqual([status, /only a mirror of the environment may be/.test(text)], [403, true], path);
    }
    assert.deepEqual(secret.requests, []);
    const open = await relay({}, { named: [secret.url("/other")] });
    assert.equal((await get(open, here)).text, "secret");
  });

  it("does not let a redirect lead where a request may not", async () => {
    const secret = await server({ "/kvci/a.example/x": "secret" });
    const base = await server({}, { redirectTo: secret.url("") });
    const port = await relay({ baseUrl: base.url("/kvci") });
    const answer = await get(port, "/https/a.example/x");
    assert.equal(answer.status, 403);
    assert.deepEqual(secret.requests, []);
  });

  it("holds no file in memory and ends what nobody reads", async () => {
    const big = Buffer.alloc(64 * 1024 * 1024);
    const mirror = await server({ "/a.example/x": big });
    const port = await relay({ baseUrl: mirror.url("") }, { tuning: { readMs: 400 } });
    const socket = connect(port, "127.0.0.1");
    socket.write("GET /https/a.example/x HTTP/1.1\r\nhost: x\r\n\r\n");
    await new Promise((resolve) => socket.once("readable", resolve));
    await new Promise((resolve) => setTimeout(resolve, 200));
    const { doneBytes } = journal.of("transfer").at(-1) ?? { doneBytes: 0 };
    assert.ok(doneBytes > 0 && doneBytes < 32 * 1024 * 1024, `${doneBytes} bytes were taken`);
    socket.pause();
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await new Promise((resolve) => setTimeout(resolve, 800));
    socket.resume();
    await closed;
    assert.ok(socket.bytesRead < big.length);
  });

  it("answers many at once, each with its own", async () => {
    const files = Object.fromEntries(
      Array.from({ length: 60 }, (_, index) => [`/a.example/${index}`, `file ${index}`]),
    );
    const port = await relay({ baseUrl: (await server(files, { delayMs: 5 })).url("") }, { tuning: { atOnce: 4 } });
    const answers = await Promise.all(Object.keys(files).map((_, index) => get(port, `/https/a.example/${index}`)));
    assert.deepEqual(
      answers.map(({ text }) => text),
      Object.values(files),
    );
  });

  it("ends with its build, requests included", async () => {
    const slow = await server({ "/a.example/x": "x" }, { delayMs: 60_000 });
    const { signal } = new AbortController();
    const upstream = { mirrors: {}, baseUrl: slow.url("") };
    const own = await startRelay({ upstream, proxied: false, journal, signal });
    const asked = assert.rejects(get(own.port, "/https/a.example/x"));
    await new Promise((resolve) => setTimeout(resolve, 100));
    await own[Symbol.asyncDispose]();
    await asked;
    await assert.rejects(get(own.port, "/https/a.example/x"), { code: "ECONNREFUSED" });
    assert.deepEqual(failures(), []);
  });

  describe("behind a proxy", () => {
    it("fetches HTTP by whole URLs and HTTPS through a tunnel, trusting the environment's authority", async () => {
      const plain = await server({ "/x": "plain" });
      const site = open.use(await TlsSite.start("b.example", "sealed"));
      const names = { "a.example:80": Number(new URL(plain.url()).port), "b.example:443": site.port };
      const proxy = open.use(await HttpProxy.start(names));
      const settings = proxySettings({ http: proxy.url, no: [] }, {});
      open.use(await fetchBy({ proxy: settings, caCertificates: [site.authority] }));
      const port = await relay({}, { proxied: true });
      assert.equal((await get(port, "/http/a.example/x")).text, "plain");
      assert.equal((await get(port, "/https/b.example/x")).text, "sealed");
      assert.deepEqual(proxy.requests, ["GET http://a.example/x", "CONNECT b.example:443"]);
      const unknown = await get(port, "/https/c.example/x");
      assert.deepEqual([unknown.status, /502/.test(unknown.text)], [502, true]);
    });

    it("asks the hosts that are named directly", async () => {
      const plain = await server({ "/x": "plain" });
      const proxy = open.use(await HttpProxy.start({}));
      open.use(await fetchBy({ proxy: proxySettings({ http: proxy.url, no: [] }, {}), caCertificates: [] }));
      assert.equal((await get(await relay(mirrored(plain.url(""))), "/https/a.example/pub/x")).text, "plain");
      assert.deepEqual(proxy.requests, []);
    });
  });

  it("does not trust a certificate of an unknown authority, and says what to do", async () => {
    const site = open.use(await TlsSite.start("b.example", "sealed"));
    const port = await relay(mirrored(`https://127.0.0.1:${site.port}`, dead));
    await get(port, "/https/a.example/pub/x");
    assert.match(failures()[0] ?? "", /certificate.*: name its authority in the environment's caCertificates$/);
    open.use(await fetchBy({ proxy: { no: [] }, caCertificates: [site.authority] }));
    assert.equal((await get(port, "/https/a.example/pub/x")).text, "sealed");
  });
});
