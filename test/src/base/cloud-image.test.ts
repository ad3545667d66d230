import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { provideCloudImage, type ProvidedDisk, type ProvideOptions } from "../../../src/base/cloud-image.ts";
import { sha256 } from "../../../src/core/digest.ts";
import { folderStore } from "../../fakes/folder-store.ts";
import { ImageMirror } from "../../fakes/image-mirror.ts";
import { RecordingJournal } from "../../fakes/recording-journal.ts";

const QCOW2 = Buffer.concat([Buffer.from("QFI\xfb\0\0\0\x03", "latin1"), Buffer.alloc(96), randomBytes(50_000)]);
const RAW = Buffer.concat([randomBytes(70_000), Buffer.alloc(300_000), randomBytes(1_000), Buffer.alloc(200_000)]);

describe("cloud image", () => {
  let store: Awaited<ReturnType<typeof folderStore>>;
  let journal: RecordingJournal;
  let server: ImageMirror;

  beforeEach(async () => {
    store = await folderStore();
    journal = new RecordingJournal();
    server = await ImageMirror.start({});
  });

  afterEach(async () => {
    await server[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
  });

  function provide(
    content: Uint8Array,
    more: Partial<ProvideOptions> = {},
    url = server.url("/disk.img"),
  ): Promise<ProvidedDisk> {
    server.files.set("/disk.img", Buffer.from(content));
    const options = {
      store,
      journal,
      signal: new AbortController().signal,
      tuning: { backoffMs: 1, idleMs: 200 },
      ...more,
    };
    return provideCloudImage({ urls: [url], digest: sha256(content) }, options);
  }

  it("is fetched, verified and kept as a blob; nothing else stays", async () => {
    const disk = await provide(QCOW2);
    assert.deepEqual(disk, { path: store.blobPath(sha256(QCOW2)), format: "qcow2" });
    assert.ok((await readFile(disk.path)).equals(QCOW2));
    assert.deepEqual(await readdir(join(store.root, "partial")), []);
  });

  it("that is in the store is not fetched again", async () => {
    await provide(QCOW2);
    const asked = server.requests.length;
    await provide(QCOW2);
    assert.equal(server.requests.length, asked);
    assert.deepEqual(journal.of("cache-hit"), [{ type: "cache-hit", what: "cloud image", digest: sha256(QCOW2) }]);
  });

  it("that is damaged in the store is found when asked for, and fetched again", async () => {
    const { path } = await provide(QCOW2);
    await writeFile(path, Buffer.from(QCOW2).fill(1, 200, 300));
    await provide(QCOW2);
    assert.equal(journal.of("warning").length, 0);
    await provide(QCOW2, { verifyStored: true });
    assert.equal(journal.of("warning").length, 1);
    assert.ok((await readFile(path)).equals(QCOW2));
  });

  it("that is empty in the store is fetched again", async () => {
    const { path } = await provide(QCOW2);
    await writeFile(path, "");
    await provide(QCOW2);
    assert.ok((await readFile(path)).equals(QCOW2));
  });

  it("comes from the environment's mirror first", async () => {
    await provide(
      QCOW2,
      { environmentMirrors: { "https://away.example/pub": [server.url("")] } },
      "https://away.example/pub/disk.img",
    );
    assert.equal(server.requests[0]?.path, "/disk.img");
  });

  for (const [compression, compress] of [
    ["gzip", gzipSync],
    ["zstd", zstdCompressSync],
  ] as const) {
    it(`is unpacked when it is ${compression}, whatever its name, once, with holes for zeros`, async () => {
      const packed = compress(RAW);
      const disk = await provide(packed);
      assert.equal(disk.format, "raw");
      assert.ok((await readFile(disk.path)).equals(RAW));
      assert.ok((await stat(disk.path)).blocks * 512 < RAW.length - 300_000);
      const { mtimeMs } = await stat(disk.path);
      assert.deepEqual(await provide(packed), disk);
      assert.equal((await stat(disk.path)).mtimeMs, mtimeMs);
      assert.deepEqual(journal.endedSpans(), [`unpack ${compression}`]);
      assert.deepEqual(await readdir(join(store.root, "entries", "unpacked")), [sha256(packed).replace(":", "-")]);
    });

    it(`that is damaged ${compression} is refused and leaves nothing`, async () => {
      const damaged = compress(RAW).subarray(0, 40_000);
      await assert.rejects(provide(damaged), { code: "base-failed", message: /^cannot unpack/ });
      assert.deepEqual(
        (await readdir(store.root)).filter((name) => name.startsWith("unpack")),
        [],
      );
    });
  }

  it("with a backing file is refused", async () => {
    const head = Buffer.from(QCOW2);
    head.writeBigUInt64BE(112n, 8);
    await assert.rejects(provide(head), { code: "base-failed", message: /needs a backing file/ });
  });

  it("with another digest never gets into the store", async () => {
    server.files.set("/disk.img", RAW);
    const options = { store, journal, signal: new AbortController().signal };
    await assert.rejects(provideCloudImage({ urls: [server.url("/disk.img")], digest: sha256("x") }, options), {
      code: "digest-mismatch",
    });
    assert.equal(await store.hasBlob(sha256("x")), false);
  });
});
