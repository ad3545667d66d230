import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256 } from "../../../src/core/digest.ts";
import { silentJournal } from "../../../src/core/journal.ts";
import { fetchFloating, type FloatingFile, type FloatingOptions } from "../../../src/lock/fetch-floating.ts";
import { folderStore } from "../../fakes/folder-store.ts";
import { ImageMirror, type MirrorFaults } from "../../fakes/image-mirror.ts";
import { RecordingJournal } from "../../fakes/recording-journal.ts";

const URL = "https://files.example/a/manifest.yaml";

describe("file that floats", () => {
  let store: Awaited<ReturnType<typeof folderStore>>;
  let mirror: ImageMirror | undefined;
  beforeEach(async () => {
    store = await folderStore();
  });
  afterEach(async () => {
    await store[Symbol.asyncDispose]();
    await mirror?.[Symbol.asyncDispose]();
    mirror = undefined;
  });

  /** Fetches from a mirror that has it, unless told otherwise. */
  async function fetched(faults: MirrorFaults = {}, options: Partial<FloatingOptions> = {}): Promise<FloatingFile> {
    mirror ??= await ImageMirror.start(
      { "/m/a/manifest.yaml": "kind: Pod", "/files.example/a/manifest.yaml": "based" },
      faults,
    );
    const mirrors = { "https://files.example/": [mirror.url("/m/")] };
    const { signal } = new AbortController();
    const upstream = { mirrors, baseUrl: undefined };
    return fetchFloating(URL, {
      upstream,
      store,
      journal: silentJournal,
      signal,
      backoffMs: 1,
      idleMs: 5_000,
      ...options,
    });
  }

  it("is kept in the store by the digest of its bytes", async () => {
    const file = await fetched();
    assert.deepEqual([file.digest, file.bytes], [sha256("kind: Pod"), 9]);
    assert.equal(await readFile(store.blobPath(file.digest), "utf8"), "kind: Pod");
    assert.deepEqual(await fetched(), file);
    assert.deepEqual(await readdir(join(store.root, "tmp", "run")), []);
  });

  it("comes from below a base URL, and from nowhere else", async () => {
    mirror = await ImageMirror.start({ "/m/a/manifest.yaml": "no", "/files.example/a/manifest.yaml": "based" });
    const upstream = { mirrors: { "https://files.example/": [mirror.url("/m/")] }, baseUrl: mirror.url("/") };
    assert.equal((await fetched({}, { upstream })).digest, sha256("based"));
    assert.deepEqual(
      mirror.requests.map(({ path }) => path),
      ["/files.example/a/manifest.yaml"],
    );
  });

  it("is asked for again when a server has a bad moment", async () => {
    assert.equal((await fetched({ status: 503, statusTimes: 2 })).bytes, 9);
    assert.equal(mirror?.requests.length, 3);
  });

  it("is not taken when the connection broke", async () => {
    assert.equal((await fetched({ cutAfterBytes: 4, cutTimes: 1 })).digest, sha256("kind: Pod"));
  });

  it("that is nowhere is an error naming the URL and each server's reason", async () => {
    const journal = new RecordingJournal();
    mirror = await ImageMirror.start({});
    const upstream = { mirrors: {}, baseUrl: mirror.url("/base") };
    await assert.rejects(fetched({}, { journal, upstream }), {
      code: "download-failed",
      message: `cannot fetch ${URL}`,
      evidence: [`${mirror.url("/base/files.example/a/manifest.yaml")}: HTTP 404`],
    });
    assert.equal(journal.of("mirror-failed").length, 1);
    assert.equal(mirror.requests.length, 1);
  });

  it("is not believed over plain HTTP where the environment does not name the server, unless it is signed", async () => {
    mirror = await ImageMirror.start({ "/x": "x" });
    const { signal } = new AbortController();
    const upstream = { mirrors: {}, baseUrl: undefined };
    await assert.rejects(fetchFloating(mirror.url("/x"), { upstream, store, journal: silentJournal, signal }), {
      code: "download-failed",
      evidence: [`${mirror.url("/x")}: plain HTTP vouches for nothing`],
    });
    assert.equal(mirror.requests.length, 0);
    const options = { upstream, store, journal: silentJournal, signal, signed: true };
    assert.equal((await fetchFloating(mirror.url("/x"), options)).digest, sha256("x"));
  });

  it("has its limits: in bytes, in silence and in time", async () => {
    await assert.rejects(fetched({}, { limitBytes: 8 }), (error: { evidence?: string[] }) =>
      /more than 8 bytes/.test(String(error.evidence)),
    );
    await mirror?.[Symbol.asyncDispose]();
    mirror = undefined;
    await assert.rejects(fetched({ stallAfterBytes: 2 }, { idleMs: 30 }), (error: { evidence?: string[] }) =>
      /nothing came/.test(String(error.evidence)),
    );
    await assert.rejects(fetched({}, { deadlineMs: 60 }), (error: { evidence?: string[] }) =>
      /not within 0.06 s/.test(String(error.evidence)),
    );
  });

  it("ends with the command", async () => {
    await assert.rejects(fetched({ delayMs: 500 }, { signal: AbortSignal.timeout(20) }), { code: "interrupted" });
  });
});
