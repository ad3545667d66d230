import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { recordRun } from "../../../src/host/run-record.ts";
import { choice, collect } from "../../../src/store/collect.ts";
import { openStore } from "../../../src/store/file-store.ts";
import { pin } from "../../../src/store/pins.ts";
import type { Store } from "../../../src/store/store.ts";
import { itemsOf, pinsOf } from "./items.ts";

const { signal } = new AbortController();

describe("what a removal chooses", () => {
  const items = itemsOf({
    base: { kind: "base" },
    lower: { needs: ["base"] },
    upper: { needs: ["lower"], lastUsedMs: 8 },
    other: { lastUsedMs: 5 },
    download: { kind: "blob", lastUsedMs: 7 },
  });
  const chosen = (maxBytes: number, ...pins: string[]): string[] =>
    choice(items, pinsOf(...pins), { maxBytes }).removed.map(({ path }) => path);

  it("is nothing while all fits", () => {
    assert.deepEqual(choice(items, pinsOf(), { maxBytes: 50 }), {
      removed: [],
      freedBytes: 0,
      keptBytes: 50,
      inUse: 0,
    });
  });

  it("is as little as will do, used longest ago first", () => {
    assert.deepEqual(chosen(49), ["other"]);
    assert.deepEqual(chosen(25), ["other", "download", "upper"]);
    assert.deepEqual(chosen(0), ["other", "download", "upper", "lower", "base"]);
  });

  it("is nothing that is pinned, nor what that needs", () => {
    const { removed, inUse, keptBytes, freedBytes } = choice(items, pinsOf("lower"), { maxBytes: 0 });
    assert.deepEqual(
      removed.map(({ path }) => path),
      ["other", "download", "upper"],
    );
    assert.deepEqual([inUse, keptBytes, freedBytes], [2, 20, 30]);
  });

  it("counts and takes only the kinds it is told", () => {
    const { removed, keptBytes } = choice(items, pinsOf(), { maxBytes: 0, kinds: ["blob", "base"] });
    assert.deepEqual([removed.map(({ path }) => path), keptBytes], [["download"], 10]);
  });

  it("leaves unfinished downloads to other runs that are alive", () => {
    const partial = itemsOf({ part: { kind: "partial" } });
    assert.equal(choice(partial, { ...pinsOf(), otherRuns: 1 }, { maxBytes: 0 }).removed.length, 0);
    assert.equal(choice(partial, pinsOf(), { maxBytes: 0 }).removed.length, 1);
  });

  it("never breaks what stays, whatever is pinned and needs what", () => {
    const item = fc.record({
      lastUsedMs: fc.nat(5),
      below: fc.array(fc.nat(20), { maxLength: 3 }),
      pinned: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(item, { maxLength: 12 }), fc.nat(130), (list, maxBytes) => {
        const some = itemsOf(
          Object.fromEntries(
            list.map(({ lastUsedMs, below }, at) => [
              `item ${at}`,
              { lastUsedMs, needs: [...new Set(below.filter((need) => need < at))].map((need) => `item ${need}`) },
            ]),
          ),
        );
        const pins = pinsOf(...list.flatMap(({ pinned }, at) => (pinned ? [`item ${at}`] : [])));
        const { removed, keptBytes } = choice(some, pins, { maxBytes });
        const gone = new Set(removed.map(({ path }) => path));
        const stay = some.filter(({ path }) => !gone.has(path));
        assert.ok(removed.every(({ path }) => !pins.holds(path)));
        assert.ok(stay.every(({ needs }) => needs.every((need) => !gone.has(need))));
        // Whoever stays although there is too much is used, or needed by one that is.
        const free = stay.filter(({ path, neededBy }) => !pins.holds(path) && neededBy.every((each) => gone.has(each)));
        assert.ok(keptBytes <= maxBytes || free.length === 0);
      }),
    );
  });
});

describe("a removal", () => {
  let root = "";
  let store: Store;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "kvci-store-"));
    store = await openStore(root, { runId: "gc", description: "test" });
    for (const [at, name] of ["old", "new"].entries()) {
      await writeFile(join(root, "blobs/sha256", name), "x".repeat(10_000));
      await utimes(join(root, "blobs/sha256", name), at + 1, at + 1);
    }
  });
  afterEach(() => rm(root, { recursive: true, force: true }));
  const names = (folder: string): Promise<string[]> => readdir(join(root, folder));

  it("removes what it says, and a dry run says the same and removes nothing", async () => {
    const dry = await collect(store, { maxBytes: 15_000, dryRun: true, signal });
    assert.deepEqual((await names("blobs/sha256")).sort(), ["new", "old"]);
    const real = await collect(store, { maxBytes: 15_000, signal });
    assert.deepEqual(real, dry);
    assert.deepEqual([await names("blobs/sha256"), await names("tmp")], [["new"], []]);
    assert.equal(real.freedBytes, real.removed[0]?.bytes);
  });

  it("leaves what a living run has pinned", async () => {
    const run = await recordRun(root, { id: "run-1", command: "test" });
    await pin(store, { runId: "run-1", items: ["blobs/sha256/old"], signal });
    const { removed, inUse } = await collect(store, { maxBytes: 0, signal });
    assert.deepEqual([removed.map(({ path }) => path), inUse], [["blobs/sha256/new"], 1]);
    await run[Symbol.asyncDispose]();
  });

  it("ends what an earlier one left, and forgets checks of layers that are gone", async () => {
    await mkdir(join(root, "tmp/removed-abc"));
    await mkdir(join(root, "tmp/run-1"));
    await mkdir(join(root, "checked"));
    await writeFile(join(root, "checked/gone.00000000.json"), "{}");
    await collect(store, { maxBytes: 1e9, signal });
    assert.deepEqual([await names("tmp"), await names("checked")], [["run-1"], []]);
  });

  it("tells whom it waits for", async () => {
    const held = await store.lock("collect", { signal });
    const waited: string[] = [];
    const options = { maxBytes: 0, signal: AbortSignal.timeout(100), onWait: (holder: string) => waited.push(holder) };
    await assert.rejects(collect(store, options));
    assert.deepEqual(waited, ["test"]);
    await held[Symbol.asyncDispose]();
  });
});
