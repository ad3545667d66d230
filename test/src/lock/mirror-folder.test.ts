import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "../../../src/core/digest.ts";
import { silentJournal } from "../../../src/core/journal.ts";
import { fillMirror, mirrorPath, removePartials, type MirrorFile } from "../../../src/lock/mirror-folder.ts";
import { MIRROR_LIST, writeMirrorList } from "../../../src/lock/mirror-list.ts";
import { folderStore } from "../../fakes/folder-store.ts";
import { ImageMirror } from "../../fakes/image-mirror.ts";

const DEB = { url: "https://deb.example/pool/g%2B%2B_1%3a2.deb", digest: sha256("deb") };
const INDEX = { url: "https://deb.example/dists/InRelease" };

describe("folder that a mirror serves", () => {
  let folder: string;
  let store: Awaited<ReturnType<typeof folderStore>>;
  let server: ImageMirror;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-mirror-"));
    store = await folderStore();
    server = await ImageMirror.start({ "/deb/pool/g%2B%2B_1%3a2.deb": "deb", "/deb/dists/InRelease": "index 1" });
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
    await store[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  function fill(files: readonly MirrorFile[]): ReturnType<typeof fillMirror> {
    const upstream = { mirrors: { "https://deb.example/": [server.url("/deb/")] }, baseUrl: undefined };
    const tuning = { backoffMs: 1, fruitlessRounds: 1 };
    return fillMirror(files, {
      folder,
      upstream,
      store,
      journal: silentJournal,
      signal: new AbortController().signal,
      tuning,
    });
  }

  it("has every file where a server finds it by host and path", async () => {
    const { files, failures } = await fill([DEB, INDEX, DEB]);
    assert.deepEqual(failures, []);
    assert.deepEqual(
      files.map(({ path, bytes, fetched }) => [path, bytes, fetched]),
      [
        ["deb.example/dists/InRelease", 7, true],
        ["deb.example/pool/g++_1:2.deb", 3, true],
      ],
    );
    assert.equal(await readFile(join(folder, "deb.example/pool/g++_1:2.deb"), "utf8"), "deb");
    await removePartials(folder);
    assert.deepEqual(await readdir(folder), ["deb.example"]);
  });

  it("keeps what is right, replaces what is not, and asks anew for what floats", async () => {
    await fill([DEB, INDEX]);
    const before = server.requests.length;
    server.files.set("/deb/dists/InRelease", Buffer.from("index 2"));
    const again = await fill([DEB, INDEX]);
    assert.deepEqual(
      again.files.map(({ fetched }) => fetched),
      [true, false],
    );
    assert.deepEqual(
      server.requests.slice(before).map(({ path }) => path),
      ["/deb/dists/InRelease"],
    );
    assert.equal(await readFile(join(folder, "deb.example/dists/InRelease"), "utf8"), "index 2");
    await writeFile(join(folder, "deb.example/pool/g++_1:2.deb"), "bad");
    assert.deepEqual(
      (await fill([DEB])).files.map(({ fetched }) => fetched),
      [true],
    );
    assert.equal(await readFile(join(folder, "deb.example/pool/g++_1:2.deb"), "utf8"), "deb");
  });

  it("takes from the store what that has", async () => {
    const temporary = join(store.path, "new");
    await writeFile(temporary, "deb");
    await store.adoptBlob(temporary, DEB.digest);
    assert.deepEqual(
      (await fill([DEB])).files.map(({ bytes, fetched }) => [bytes, fetched]),
      [[3, true]],
    );
    assert.equal(server.requests.length, 0);
  });

  it("names all that cannot be had, and takes the rest", async () => {
    server.files.set("/deb/changed", Buffer.from("other bytes"));
    const changed = { url: "https://deb.example/changed", digest: sha256("what the lock has") };
    const gone = { url: "https://deb.example/gone", digest: sha256("gone") };
    const { files, failures } = await fill([changed, gone, DEB]);
    assert.deepEqual(
      files.map(({ url }) => url),
      [DEB.url],
    );
    assert.deepEqual(failures.map(({ entry, error }) => [entry, error.code]).sort(), [
      [changed.url, "digest-mismatch"],
      [gone.url, "download-failed"],
    ]);
  });

  it("has paths that stay inside it", () => {
    assert.equal(mirrorPath("https://h.example/a/"), "h.example/a/index.html");
    assert.equal(mirrorPath("https://h.example/a?b=c"), "h.example/a?b=c");
    assert.equal(mirrorPath("https://h.example/..%2f..%2fetc/x%00"), "h.example/..%2f..%2fetc/x%00");
    assert.equal(mirrorPath("https://h.example/100%/x"), "h.example/100%/x");
  });

  it("lists what is in it, of earlier runs as well", async () => {
    const file = (url: string) => ({ url, digest: sha256(url), bytes: 1 });
    await writeFile(join(folder, "one"), "1");
    await writeMirrorList(folder, {
      files: { one: file("u1"), gone: file("u0") },
      images: { "r/a:1": { digest: sha256("a"), bytes: 2 } },
    });
    await writeFile(join(folder, "two"), "2");
    await writeMirrorList(folder, { files: { two: file("u2") }, images: {} });
    const list = JSON.parse(await readFile(join(folder, MIRROR_LIST), "utf8")) as { files: object; images: object };
    assert.deepEqual([Object.keys(list.files), Object.keys(list.images)], [["one", "two"], ["r/a:1"]]);
  });
});
