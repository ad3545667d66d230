import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { download, type DownloadRequest, type DownloadTuning } from "../../../src/base/download.ts";
import { sha256, type Digest } from "../../../src/core/digest.ts";
import { KvciError } from "../../../src/core/error.ts";
import { ImageMirror, type MirrorFaults, type SeenRequest } from "../../fakes/image-mirror.ts";
import { RecordingJournal } from "../../fakes/recording-journal.ts";

const CHUNK = 16 * 1024;
const CONTENT = randomBytes(10 * CHUNK + 123);
const DIGEST = sha256(CONTENT);
const OTHER = Buffer.from(CONTENT.map((byte, index) => (index === 70_000 ? byte ^ 1 : byte)));
const TUNING: Partial<DownloadTuning> = {
  connections: 4,
  chunkBytes: CHUNK,
  idleMs: 150,
  backoffMs: 5,
  fruitlessRounds: 2,
};

describe("download", () => {
  let folder: string;
  let journal: RecordingJournal;
  const servers: ImageMirror[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-download-"));
    journal = new RecordingJournal();
  });

  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server[Symbol.asyncDispose]()));
    await rm(folder, { recursive: true });
  });

  async function mirror(faults: MirrorFaults = {}, content: Uint8Array = CONTENT): Promise<ImageMirror> {
    const server = await ImageMirror.start({ "/disk.img": content }, faults);
    servers.push(server);
    return server;
  }

  function get(urls: readonly string[], extra: Partial<DownloadRequest> = {}): Promise<string> {
    const signal = new AbortController().signal;
    return download({
      urls,
      digest: DIGEST,
      folder,
      signal,
      journal,
      ...extra,
      tuning: { ...TUNING, ...extra.tuning },
    });
  }

  async function assertFetched(path: string): Promise<void> {
    assert.equal(path, join(folder, "data"));
    assert.ok((await readFile(path)).equals(CONTENT));
  }

  function reasons(): string[] {
    return journal.of("mirror-failed").map(({ reason }) => reason);
  }

  function askedBytes(requests: readonly SeenRequest[]): number {
    return requests.reduce(
      (sum, { range }) => sum + Math.min(range?.end ?? CONTENT.length, CONTENT.length) - (range?.start ?? 0),
      0,
    );
  }

  it("fetches every byte once, in ranges over several connections, and reports progress", async () => {
    const server = await mirror();
    await assertFetched(await get([server.url()]));
    assert.equal(server.requests.length, 11);
    assert.equal(askedBytes(server.requests), CONTENT.length);
    const last = journal.of("transfer").at(-1);
    assert.deepEqual(last, {
      type: "transfer",
      name: "disk.img",
      doneBytes: CONTENT.length,
      totalBytes: CONTENT.length,
    });
    assert.deepEqual(reasons(), []);
  });

  it("runs as many connections at once as it is told, not more", async () => {
    const server = await mirror({ delayMs: 10 });
    let most = 0;
    let open = 0;
    server.onRequest = () => {
      open += 1;
      most = Math.max(most, open);
      setTimeout(() => (open -= 1), 10);
    };
    await get([server.url()]);
    assert.ok(most > 1 && most <= 4, `${String(most)} at once`);
  });

  it("takes a sha512 digest", async () => {
    const digest: Digest = `sha512:${createHash("sha512").update(CONTENT).digest("hex")}`;
    await assertFetched(await get([(await mirror()).url()], { digest }));
  });

  it("reads one stream where the server has no ranges", async () => {
    const server = await mirror({ noRanges: true });
    await assertFetched(await get([server.url()]));
    assert.equal(server.requests.length, 1);
  });

  it("reads a stream of unknown length to its end", async () => {
    const server = await mirror({ noRanges: true, noLength: true });
    await assertFetched(await get([server.url()]));
  });

  it("follows a redirect and asks the server behind it for all ranges", async () => {
    const target = await mirror();
    const front = await mirror({ redirectTo: target.url("") });
    await assertFetched(await get([front.url()]));
    assert.equal(front.requests.length, 1);
    assert.equal(target.requests.length, 11);
  });

  it("asks again for the rest when a server sends less than a range", async () => {
    await assertFetched(await get([(await mirror({ mostBytes: 5_000 })).url()]));
    assert.deepEqual(reasons(), []);
  });

  it("resumes a truncated download with the missing bytes only", async () => {
    const server = await mirror({ noRanges: true, cutAfterBytes: 50_000, cutTimes: 1 });
    server.onRequest = ({ range }) => {
      // The server gets ranges after its first, cut answer.
      if (server.requests.length > 1) server.faults.noRanges = false;
      if (server.requests.length === 2) assert.equal(range?.start, 50_000);
    };
    await assertFetched(await get([server.url()]));
    assert.equal(askedBytes(server.requests.slice(1)), CONTENT.length - 50_000);
    assert.equal(reasons().length, 1);
  });

  it("resumes after an abort in the middle, in a new call, without asking for what it has", async () => {
    const stop = new AbortController();
    const server = await mirror({ delayMs: 2 });
    server.onRequest = () => {
      if (server.requests.length === 6) stop.abort();
    };
    await assert.rejects(get([server.url()], { signal: stop.signal, tuning: { connections: 2 } }), {
      code: "interrupted",
    });
    const { done } = JSON.parse(await readFile(join(folder, "state.json"), "utf8")) as {
      done: { start: number; end: number }[];
    };
    const kept = done.reduce((sum, { start, end }) => sum + end - start, 0);
    assert.ok(kept >= 3 * CHUNK, `${String(kept)} bytes kept`);
    server.requests.length = 0;
    server.onRequest = () => undefined;
    await assertFetched(await get([server.url()]));
    assert.equal(askedBytes(server.requests), CONTENT.length - kept);
  });

  it("continues on another mirror with what the first one gave", async () => {
    const first = await mirror({ noRanges: true, cutAfterBytes: 4 * CHUNK });
    const second = await mirror();
    await assertFetched(await get([first.url(), second.url()]));
    // What was on its way when the connection broke may be lost.
    const asked = askedBytes(second.requests);
    assert.ok(asked >= CONTENT.length - 4 * CHUNK && asked < CONTENT.length, String(asked));
  });

  it("does not trust a state file of another digest or a file of another size", async () => {
    const server = await mirror();
    await get([server.url()]);
    const digest = sha256("another file");
    await assert.rejects(get([server.url()], { digest }), { code: "digest-mismatch" });
    assert.equal(askedBytes(server.requests), 2 * CONTENT.length);
  });

  it("finds a finished file of an earlier run without asking anybody", async () => {
    const server = await mirror();
    await get([server.url()]);
    server.requests.length = 0;
    await assertFetched(await get([server.url()]));
    assert.deepEqual(server.ranges, []);
  });

  for (const [what, faults, reason] of [
    ["a missing file", { status: 404 }, /^HTTP 404$/],
    ["a server error", { status: 503 }, /^HTTP 503$/],
    ["a stall", { stallAfterBytes: 1_000 }, /^nothing came for 0.15 s$/],
    ["a broken connection", { cutAfterBytes: 0 }, /./],
    ["compression on the way", { encoding: "gzip" }, /changes the bytes on the way \(gzip\)/],
    ["a file that changes", { newEtags: true }, /changed while it was read/],
  ] as const) {
    it(`falls back to the next mirror after ${what}`, async () => {
      const bad = await mirror(faults);
      const good = await mirror();
      await assertFetched(await get([bad.url(), good.url()]));
      assert.match(reasons()[0] ?? "", reason);
      assert.equal(journal.of("mirror-failed")[0]?.url, bad.url());
    });
  }

  it("passes over differing ETags of the only server there is", async () => {
    await assertFetched(await get([(await mirror({ newEtags: true })).url()]));
    assert.deepEqual(reasons(), []);
  });

  it("falls back from a server that is not there", async () => {
    const gone = await mirror();
    const url = gone.url();
    await gone[Symbol.asyncDispose]();
    servers.pop();
    await assertFetched(await get([url, (await mirror()).url()]));
    assert.match(reasons()[0] ?? "", /ECONNREFUSED/);
  });

  it("waits as long as Retry-After says, up to the limit", async () => {
    const server = await mirror({ status: 429, statusTimes: 1, retryAfter: "3600" });
    const startedAt = performance.now();
    await assertFetched(await get([server.url()], { tuning: { retryAfterLimitMs: 80 } }));
    assert.ok(performance.now() - startedAt >= 79);
  });

  it("blames the mirror with wrong bytes and takes another", async () => {
    const bad = await mirror({}, OTHER);
    await assertFetched(await get([bad.url(), (await mirror()).url()]));
    assert.match(reasons()[0] ?? "", /^wrong bytes: sha256:/);
  });

  it("starts over without mixing when nobody can be blamed", async () => {
    const half = await mirror({ noRanges: true, cutAfterBytes: 5 * CHUNK, cutTimes: 1 }, OTHER);
    const good = await mirror();
    await assertFetched(await get([half.url(), good.url()]));
    assert.ok(reasons().some((reason) => reason.startsWith("wrong bytes")));
  });

  it("ends with digest-mismatch when all mirrors have wrong bytes, and keeps none of them", async () => {
    const error = await failureOf(get([(await mirror({}, OTHER)).url(), (await mirror({}, OTHER)).url()]));
    assert.equal(error.code, "digest-mismatch");
    assert.deepEqual(error.evidence.slice(0, 2), [`expected ${DIGEST}`, `actual   ${sha256(OTHER)}`]);
    assert.match(error.hint, /kvci-build lock/);
    assert.equal((await stat(join(folder, "data"))).size, 0);
  });

  it("gets over a first mirror that tells a wrong length", async () => {
    const short = await mirror({ cutAfterBytes: 100 }, CONTENT.subarray(0, 3 * CHUNK));
    await assertFetched(await get([short.url(), (await mirror()).url()], { tuning: { fruitlessRounds: 3 } }));
    assert.ok(reasons().some((reason) => /bytes there, not/.test(reason)));
  });

  it("ends with download-failed and every mirror's reason", async () => {
    const [one, two] = [await mirror({ status: 404 }), await mirror({ status: 500 })];
    const error = await failureOf(get([one.url(), two.url()]));
    assert.equal(error.code, "download-failed");
    assert.deepEqual(error.evidence, [`${one.url()}: HTTP 404`, `${two.url()}: HTTP 500`]);
    assert.deepEqual([one.requests.length, two.requests.length], [1, 2]);
  });

  it("ends at its deadline", async () => {
    const server = await mirror({ stallAfterBytes: 10 });
    const error = await failureOf(get([server.url()], { tuning: { deadlineMs: 60, idleMs: 10_000 } }));
    assert.equal(error.code, "download-failed");
    assert.match(error.message, /within 0.06 s$/);
  });

  it("sends a URL's credentials to its origin only and shows them nowhere", async () => {
    const target = await mirror();
    const front = await mirror({ redirectTo: target.url("") });
    const secret = (server: ImageMirror): string => server.url("/disk.img?token=t0ken").replace("//", "//user:s3cret@");
    const plain = await mirror({ status: 404 });
    target.files.set("/disk.img?token=t0ken", CONTENT);
    await get([secret(plain), secret(front)]);
    assert.equal(front.requests[0]?.headers["authorization"], `Basic ${Buffer.from("user:s3cret").toString("base64")}`);
    assert.ok(target.requests.every(({ headers }) => headers["authorization"] === undefined));
    const error = await failureOf(get([secret(plain)], { digest: sha256("x") }));
    const shown = JSON.stringify([journal.events, error.message, error.evidence, error.hint]);
    assert.doesNotMatch(shown, /s3cret|t0ken|dXNlcj/);
    assert.match(shown, /disk\.img\?…/);
  });

  it("says store-full before it fetches what the disk has no room for", async () => {
    const server = await mirror({ claimedBytes: 2 ** 49 });
    const error = await failureOf(get([server.url()]));
    assert.equal(error.code, "store-full");
    assert.match(error.evidence[0] ?? "", /bytes are needed, \d+ are free/);
  });
});

async function failureOf(work: Promise<unknown>): Promise<KvciError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof KvciError, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: "it did not fail" });
}
