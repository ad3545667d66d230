import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheGc, parseSize } from "../../../../src/cli/commands/cache-gc.ts";
import { capturedApp, restoreEnvironment } from "./captured-app.ts";

const MIB = 1024 ** 2;

describe("cache gc", () => {
  restoreEnvironment();
  let root = "";
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "kvci-store-"));
    await mkdir(join(root, "blobs/sha256"), { recursive: true });
    await writeFile(join(root, "blobs/sha256/abc"), Buffer.alloc(2 * MIB, 1));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  it("removes down to the size and says what was freed", async () => {
    const app = capturedApp(root, Date.now());
    assert.equal(await cacheGc(app, { maxSize: "1M" }), 0);
    assert.match(app.out(), /2\.\d+ MiB|2 MiB +0m +0m {2}blob {2}download abc/);
    assert.match(app.out(), /\n2 MiB in 1 item freed; 0 B stay\n$/);
    assert.deepEqual(await readdir(join(root, "blobs/sha256")), []);
    assert.deepEqual([await readdir(join(root, "tmp")), await readdir(join(root, "runs"))], [[], []]);
  });

  it("only says what would be removed in a dry run, and leaves no trace", async () => {
    const app = capturedApp(root, Date.now());
    assert.equal(await cacheGc(app, { maxSize: "1M", dryRun: true }), 0);
    assert.match(app.out(), /\n2 MiB in 1 item would be freed; 0 B stay\n$/);
    assert.deepEqual([await readdir(root), await readdir(join(root, "blobs/sha256"))], [["blobs"], ["abc"]]);
  });

  it("says when all fits", async () => {
    const app = capturedApp(root, Date.now());
    await cacheGc(app, { maxSize: "1G" });
    assert.equal(app.out(), "0 B in 0 items freed; 2 MiB stay\n");
  });

  it("removes what a killed run left, whatever the size", async () => {
    await mkdir(join(root, "tmp/run-1/layer-x"), { recursive: true });
    await mkdir(join(root, "runs"));
    await writeFile(join(root, "runs/run-1.json"), JSON.stringify({ pid: process.pid, startTicks: 1, command: "x" }));
    const app = capturedApp(root, Date.now());
    await cacheGc(app, { maxSize: "1G" });
    await assert.rejects(stat(join(root, "tmp/run-1")), { code: "ENOENT" });
    assert.match(app.err(), /temporary files of the killed run run-1/);
  });

  it("gives the same as JSON", async () => {
    const app = capturedApp(root, Date.now());
    await cacheGc(app, { maxSize: "0", json: true, dryRun: true });
    const { store, dryRun, maxBytes, freedBytes, keptBytes, removed } = JSON.parse(app.out()) as Record<
      string,
      unknown
    >;
    assert.deepEqual([store, dryRun, maxBytes, freedBytes, keptBytes], [root, true, 0, 2 * MIB, 0]);
    assert.equal((removed as unknown[]).length, 1);
  });

  it("knows sizes as people write them", () => {
    const sizes = { "0": 0, "512": 512, "1K": 1024, "500M": 500 * MIB, "1.5 GiB": 1536 * MIB, "2tb": 2 * 1024 ** 4 };
    for (const [text, bytes] of Object.entries(sizes)) assert.equal(parseSize(text), bytes, text);
    for (const wrong of ["", "G", "-1G", "1X", "1 000", "1e9", "NaN"]) {
      assert.throws(() => parseSize(wrong), { code: "usage" }, wrong);
    }
  });
});
