import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { recordRun } from "../../../src/host/run-record.ts";
import { openStore } from "../../../src/store/file-store.ts";
import { markUsed, pin, pinned } from "../../../src/store/pins.ts";
import type { Store } from "../../../src/store/store.ts";

const { signal } = new AbortController();
const KEY = "a".repeat(64);

describe("pins", () => {
  let root = "";
  let store: Store;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "kvci-store-"));
    store = await openStore(root, { runId: "run-1", description: "test" });
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  it("hold paths, and all layers of a key, while their run is alive", async () => {
    const run = await recordRun(root, { id: "run-1", command: "test" });
    await pin(store, { runId: "run-1", items: ["blobs/sha256/b"], signal });
    await pin(store, { runId: "run-1", items: [`entries/layers/${KEY}.*`], signal });
    const pins = await pinned(root);
    assert.equal(pins.otherRuns, 0);
    for (const path of ["blobs/sha256/b", `entries/layers/${KEY}.00000000`]) assert.ok(pins.holds(path), path);
    for (const path of ["blobs/sha256/c", `entries/layers/${KEY.replace("a", "b")}.00000000`]) {
      assert.ok(!pins.holds(path), path);
    }
    await run[Symbol.asyncDispose]();
    assert.ok(!(await pinned(root)).holds("blobs/sha256/b"));
  });

  it("of a run that was killed hold nothing", async () => {
    await writeFile(
      join(root, "runs", "run-2.json"),
      JSON.stringify({ pid: process.pid, startTicks: 1, command: "x" }),
    );
    await pin(store, { runId: "run-2", items: ["blobs/sha256/b"], signal });
    assert.ok(!(await pinned(root)).holds("blobs/sha256/b"));
  });

  it("wait for a removal that is under way", async () => {
    const removal = await store.lock("collect", { signal });
    await assert.rejects(pin(store, { runId: "run-1", items: [], signal: AbortSignal.timeout(50) }));
    await removal[Symbol.asyncDispose]();
    await pin(store, { runId: "run-1", items: [], signal });
  });

  it("that cannot be read let nothing be removed", async () => {
    const run = await recordRun(root, { id: "run-1", command: "test" });
    await mkdir(join(root, "tmp", "run-1"));
    await writeFile(join(root, "tmp", "run-1", "pins-00.json"), "[");
    await assert.rejects(pinned(root), { code: "store-unusable", message: /what a running kvci-build uses/ });
    await run[Symbol.asyncDispose]();
  });

  it("note the use of what is there, in its record where it has one", async () => {
    const record = join(root, "entries/layers/x/layer.json");
    await mkdir(join(root, "entries/layers/x"), { recursive: true });
    await writeFile(record, "{}");
    await writeFile(join(root, "blobs/sha256/b"), "");
    await utimes(join(root, "blobs/sha256/b"), 1, 1);
    await markUsed(root, ["entries/layers/x", "blobs/sha256/b", "entries/warm/none"], 5_000);
    for (const path of [record, join(root, "blobs/sha256/b")]) assert.equal((await stat(path)).mtimeMs, 5_000);
  });
});
