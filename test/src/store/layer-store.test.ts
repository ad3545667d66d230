import assert from "node:assert/strict";
import {
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
  chmod,
  mkdir,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { sha256, type Digest } from "../../../src/core/digest.ts";
import { run } from "../../../src/core/op-makers.ts";
import { fileLayerStore, type LayerStoreOptions } from "../../../src/store/layer-store.ts";
import type { Draft, Layer, LayerStore } from "../../../src/store/layer.ts";
import type { Store, TemporaryFolder } from "../../../src/store/store.ts";
import { folderStore } from "../../fakes/folder-store.ts";

const signal = new AbortController().signal;
const NOW = Date.parse("2026-11-20T12:00:00Z");
const HOUR_MS = 3_600_000;
const KEYS = Array.from({ length: 4 }, (_, index) => sha256(`key ${index}`));
const WANTED = KEYS.map((key) => ({ key }));
const FACTS = {
  step: "containerd",
  ops: [run("true")],
  template: "quickstart",
  durationMs: 1_200,
  virtualBytes: 1024 ** 3,
};

describe("the layer store", () => {
  let store: Store & TemporaryFolder;
  let basePath: string;
  beforeEach(async () => {
    store = await folderStore();
    basePath = join(store.root, "entries/bases/debian/disk.qcow2");
    await mkdir(dirname(basePath), { recursive: true });
    await writeFile(basePath, "base");
  });
  afterEach(() => store[Symbol.asyncDispose]());

  const open = (options: LayerStoreOptions = {}): LayerStore =>
    fileLayerStore(store, { now: () => NOW, bootId: async () => "boot 1", ...options });
  const draftOf = async (key: Digest, parent?: Pick<Layer, "id">, content = "disk"): Promise<Draft> => {
    const { path: folder } = await store.temporaryFolder("layer");
    const draft = await open().draft({ key, parent, basePath, folder });
    await writeFile(draft.path, content);
    return draft;
  };
  const add = async (key: Digest, parent?: Layer, at = NOW): Promise<Layer> =>
    open({ now: () => at }).adopt(await draftOf(key, parent), FACTS, signal);
  const ids = (layers: readonly Layer[]): string[] => layers.map(({ id }) => id);

  it("has no chain before there is anything", async () => {
    assert.deepEqual(await open().chain(WANTED, { now: NOW }), { layers: [], end: { kind: "absent" } });
    assert.deepEqual(await open().list(), []);
  });

  it("takes a draft over whole, with its record, and nobody can write it", async () => {
    const draft = await draftOf(KEYS[0]!);
    const layer = await open().adopt(draft, FACTS, signal);
    assert.equal(layer.path, join(store.root, "entries/layers", draft.id, "layer.qcow2"));
    assert.equal((await stat(layer.path)).mode & 0o777, 0o444);
    assert.equal(layer.digest, sha256("disk"));
    assert.equal(layer.backing, "entries/bases/debian/disk.qcow2");
    assert.deepEqual(await open().list(), [layer]);
    assert.deepEqual((await readdir(dirname(layer.path))).sort(), ["layer.json", "layer.qcow2"]);
    await assert.rejects(stat(dirname(draft.path)), { code: "ENOENT" });
  });

  it("links every draft and layer into one folder, where backing names are those of neighbours and hold", async () => {
    const first = await add(KEYS[0]!);
    for (const [parent, below] of [
      [undefined, basePath],
      [first, first.path],
    ] as const) {
      const draft = await draftOf(KEYS[1]!, parent);
      assert.equal(await realpath(draft.link), await realpath(draft.path));
      assert.equal(await realpath(join(dirname(draft.link), draft.backingName)), await realpath(below));
      const layer = await open().adopt(draft, FACTS, signal);
      assert.equal(layer.link, draft.link);
      assert.equal(await realpath(layer.link), await realpath(layer.path));
    }
    assert.equal((await draftOf(KEYS[2]!, first)).backingName, `${first.id}.qcow2`);
  });

  it("makes links that are missing, and removes those that lead nowhere", async () => {
    const layer = await add(KEYS[0]!);
    const abandoned = await draftOf(KEYS[1]!, layer);
    await rm(layer.link);
    await rm(dirname(abandoned.path), { recursive: true });
    await open().link([layer]);
    assert.equal(await realpath(layer.link), await realpath(layer.path));
    assert.deepEqual(await readdir(dirname(layer.link)), [`${layer.id}.qcow2`]);
  });

  it("refuses folders and bases outside the store", async () => {
    const { path: folder } = await store.temporaryFolder("layer");
    const below = { key: KEYS[0]!, parent: undefined, basePath, folder };
    for (const wrong of [
      { ...below, folder: "/tmp/a/b" },
      { ...below, basePath: "/somewhere/disk.qcow2" },
    ]) {
      await assert.rejects(open().draft(wrong), { code: "internal" });
    }
  });

  it("ends a chain at the first layer that is absent", async () => {
    const first = await add(KEYS[0]!);
    const second = await add(KEYS[1]!, first);
    await add(KEYS[3]!, second);
    const chain = await open().chain(WANTED, { now: NOW });
    assert.deepEqual([ids(chain.layers), chain.end], [[first.id, second.id], { kind: "absent" }]);
    const whole = await open().chain(WANTED.slice(0, 2), { now: NOW });
    assert.deepEqual(whole.end, { kind: "complete" });
  });

  it("prefers the longer chain, then the newer layer", async () => {
    const older = await add(KEYS[0]!, undefined, NOW - 2 * HOUR_MS);
    const newer = await add(KEYS[0]!, undefined, NOW - HOUR_MS);
    assert.deepEqual(ids((await open().chain(WANTED, { now: NOW })).layers), [newer.id]);
    const above = await add(KEYS[1]!, older);
    assert.deepEqual(ids((await open().chain(WANTED, { now: NOW })).layers), [older.id, above.id]);
  });

  it("takes no layer whose parent is another one of the same key", async () => {
    const gone = await add(KEYS[0]!);
    await add(KEYS[1]!, gone);
    await rm(dirname(gone.path), { recursive: true });
    const again = await add(KEYS[0]!);
    assert.deepEqual(ids((await open().chain(WANTED, { now: NOW })).layers), [again.id]);
  });

  it("stops before a volatile step and at one that is too old, and says so", async () => {
    const first = await add(KEYS[0]!, undefined, NOW - 2 * HOUR_MS);
    await add(KEYS[1]!, first);
    const volatile = await open().chain([{ key: KEYS[0]! }, { key: KEYS[1]!, volatile: true }], { now: NOW });
    assert.deepEqual([ids(volatile.layers), volatile.end], [[first.id], { kind: "volatile" }]);
    const old = await open().chain([{ key: KEYS[0]!, maxAgeMs: HOUR_MS }], { now: NOW });
    assert.deepEqual(old, { layers: [], end: { kind: "too-old", createdAt: first.createdAt } });
    const young = await open().chain([{ key: KEYS[0]!, maxAgeMs: 2 * HOUR_MS }], { now: NOW });
    assert.deepEqual(young.end, { kind: "complete" });
  });

  it("takes a layer without record, disk, length or base for absent, and all above it", async () => {
    const damages: readonly ((layer: Layer) => Promise<unknown>)[] = [
      ({ path }) => rm(path),
      ({ path }) => truncate(path, 2),
      ({ path }) => rm(join(dirname(path), "layer.json")),
      ({ path }) => writeFile(join(dirname(path), "layer.json"), '{"schema":'),
      ({ path }) => rename(dirname(path), join(dirname(dirname(path)), `${"0".repeat(64)}.00000000`)),
      () => rm(basePath),
    ];
    for (const damage of damages) {
      await writeFile(basePath, "base");
      const first = await add(KEYS[0]!);
      await add(KEYS[1]!, first);
      assert.equal((await open().chain(WANTED, { now: NOW })).layers.length, 2);
      await damage(first);
      const chain = await open().chain(WANTED, { now: NOW });
      assert.deepEqual([ids(chain.layers), chain.end], [[], { kind: "absent" }], damage.toString());
      await rm(join(store.root, "entries/layers"), { recursive: true });
    }
  });

  it("sees one changed byte, also in a file of the same length and times", async () => {
    const layer = await add(KEYS[0]!);
    const { atime, mtime } = await stat(layer.path);
    await chmod(layer.path, 0o644);
    await writeFile(layer.path, "disc");
    await utimes(layer.path, atime, mtime);
    assert.equal(await open().isIntact(layer, signal), false);
  });

  it("reads a layer again when a day or a boot of the host lies between, and not before", async () => {
    const layer = await add(KEYS[0]!);
    const wrong: Layer = { ...layer, digest: sha256("other") };
    const remembers = (options: LayerStoreOptions): Promise<boolean> => open(options).isIntact(wrong, signal);
    assert.equal(await remembers({ now: () => NOW + 23 * HOUR_MS }), true);
    assert.equal(await remembers({ now: () => NOW + 25 * HOUR_MS }), false);
    assert.equal(await remembers({ now: () => NOW - HOUR_MS }), false);
    assert.equal(await remembers({ bootId: async () => "boot 2" }), false);
    assert.equal(await remembers({ bootId: async () => undefined }), false);
  });

  it("does not take a layer for intact that is gone", async () => {
    const layer = await add(KEYS[0]!);
    await rm(layer.path);
    assert.equal(await open().isIntact(layer, signal), false);
  });

  it("sets a layer aside once, whoever asks, and never finds it again", async () => {
    const layer = await add(KEYS[0]!);
    const path = await open().setAside(layer);
    assert.equal(path, join(store.root, "set-aside", `${layer.id}-20261120T120000Z`));
    assert.equal(await readFile(join(path, "layer.qcow2"), "utf8"), "disk");
    assert.equal(await open().setAside(layer), path);
    assert.deepEqual(await open().list(), []);
    assert.deepEqual(await readdir(join(store.root, "checked")), []);
  });

  it("makes nothing of a draft when it is told to stop", async () => {
    const draft = await draftOf(KEYS[0]!);
    await assert.rejects(open().adopt(draft, FACTS, AbortSignal.abort()), { code: "interrupted" });
    assert.deepEqual(await open().list(), []);
  });

  it("notes the last use in the record's time, and of a layer that is gone nothing", async () => {
    const [first, second] = [await add(KEYS[0]!), await add(KEYS[1]!)];
    await rm(dirname(first.path), { recursive: true });
    await open({ now: () => NOW + HOUR_MS }).touch([first, second]);
    assert.equal((await stat(join(dirname(second.path), "layer.json"))).mtimeMs, NOW + HOUR_MS);
    assert.equal(await open().isIntact(second, signal), true);
  });

  it("finds a chain of 200 among 400 layers in well under 300 ms", async () => {
    const keys = Array.from({ length: 200 }, (_, index) => sha256(`step ${index}`));
    const folder = join(store.root, "entries/layers");
    let parent = await add(sha256("bottom"));
    const wanted = [{ key: parent.key }];
    for (const [index, key] of keys.entries()) {
      const digits = key.slice("sha256:".length);
      for (const other of ["00000000", "11111111"]) {
        const id = `${digits}.${other}`;
        const record = { ...parent, id, key, parent: parent.id, path: undefined };
        await mkdir(join(folder, id));
        await writeFile(join(folder, id, "layer.qcow2"), "disk");
        await writeFile(
          join(folder, id, "layer.json"),
          JSON.stringify({ ...record, backing: `entries/layers/${parent.id}/layer.qcow2` }),
        );
      }
      parent = { ...parent, id: `${digits}.${["00000000", "11111111"][index % 2]!}` };
      wanted.push({ key });
    }
    const before = performance.now();
    const { layers, end } = await open().chain(wanted, { now: NOW });
    const tookMs = performance.now() - before;
    assert.deepEqual([layers.length, end.kind], [201, "complete"]);
    assert.ok(tookMs < 300, `${tookMs} ms`);
  });
});
