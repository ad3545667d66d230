import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { sha256 } from "../../../src/core/digest.ts";
import { formatEntryNote } from "../../../src/store/entry-note.ts";
import { inventory, itemPath, type Item } from "../../../src/store/inventory.ts";
import { fileLayerStore } from "../../../src/store/layer-store.ts";
import type { Layer } from "../../../src/store/layer.ts";

const { signal } = new AbortController();

describe("the inventory", () => {
  let root = "";
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "kvci-store-"));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));
  const put = async (path: string, content = "content"): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  };
  const addLayer = async (name: string, parent?: Layer): Promise<Layer> => {
    const layers = fileLayerStore({ root });
    const folder = join(root, "tmp/run", name);
    await mkdir(folder, { recursive: true });
    const basePath = join(root, "entries/bases/debian/disk.qcow2");
    const draft = await layers.draft({ key: sha256(name), parent, basePath, folder });
    await writeFile(draft.path, name);
    const facts = { step: name, ops: [], template: "quickstart", durationMs: 1, virtualBytes: 1 };
    return layers.adopt(draft, facts, signal);
  };
  const listed = async (path: string): Promise<Item> => {
    const item = (await inventory(root)).find((each) => each.path === path);
    assert.ok(item, `${path} is not listed`);
    return item;
  };

  it("of a store that was never opened is empty", async () => {
    assert.deepEqual(await inventory(join(root, "none")), []);
  });

  it("lists every kind of thing, and no temporary ones", async () => {
    for (const path of [
      "blobs/sha256/abc",
      "blobs/sha512/def",
      "entries/bases/debian/disk.qcow2",
      "entries/unpacked/x/disk",
      "entries/warm/w/state",
      "entries/exports/e/layer.gz",
      "entries/kept/k/console.log",
      "entries/novel/n/file",
      "partial/download-x/data",
      "set-aside/abc-20261120T120000Z/layer.qcow2",
      "tmp/run/x/y",
      "locks/collect",
    ]) {
      await put(path);
    }
    const items = await inventory(root);
    assert.deepEqual(
      items.map(({ kind }) => kind),
      ["blob", "blob", "base", "export", "kept", "other", "base", "warm", "partial", "set-aside"],
    );
    assert.deepEqual(
      items.filter(({ usable }) => !usable).map(({ kind }) => kind),
      ["set-aside"],
    );
  });

  it("says what a layer is, what it needs and who needs it", async () => {
    await put("entries/bases/debian/disk.qcow2");
    const first = await addLayer("first boot");
    const second = await addLayer("containerd", first);
    const [lower, upper] = [await listed(`entries/layers/${first.id}`), await listed(`entries/layers/${second.id}`)];
    assert.deepEqual([lower.what, lower.needs], ["layer of first boot of quickstart", ["entries/bases/debian"]]);
    assert.deepEqual([upper.what, upper.needs], ["layer of step containerd of quickstart", [lower.path]]);
    assert.deepEqual(lower.neededBy, [upper.path]);
    assert.deepEqual((await listed("entries/bases/debian")).neededBy, [lower.path]);
    assert.equal(upper.createdAt, second.createdAt);
    assert.ok(upper.bytes > 0);
  });

  it("takes a damaged layer for useless, and all that needs it", async () => {
    await put("entries/bases/debian/disk.qcow2");
    const first = await addLayer("a");
    const second = await addLayer("b", first);
    const note = { what: "memory after b", createdAt: "2026-11-20T12:00:00Z", needs: [`entries/layers/${second.id}`] };
    await put("entries/warm/w/entry.json", formatEntryNote(note));
    assert.ok((await inventory(root)).every(({ usable }) => usable));
    await truncate(first.path, 0);
    const useless = (await inventory(root)).filter(({ usable }) => !usable).map(({ path }) => path);
    assert.deepEqual(
      useless.sort(),
      ["entries/warm/w", `entries/layers/${first.id}`, `entries/layers/${second.id}`].sort(),
    );
  });

  it("reads the note of an entry, and does without one", async () => {
    await put(
      "entries/exports/e/entry.json",
      formatEntryNote({ what: "layer for images", createdAt: "2026-01-02T03:04:05Z", needs: ["blobs/sha256/b"] }),
    );
    await put("entries/exports/f/entry.json", "{");
    await put("blobs/sha256/b");
    const { what, createdAt, needs } = await listed("entries/exports/e");
    assert.deepEqual([what, createdAt, needs], ["layer for images", "2026-01-02T03:04:05Z", ["blobs/sha256/b"]]);
    assert.equal((await listed("entries/exports/f")).what, "layer made ready for an image");
    assert.deepEqual((await listed("blobs/sha256/b")).neededBy, ["entries/exports/e"]);
  });

  it("takes the latest time of anything in an item for its last use", async () => {
    await put("entries/warm/w/state");
    await put("entries/warm/w/entry.json", "{}");
    await utimes(join(root, "entries/warm/w/entry.json"), 4e9, 4e9);
    assert.equal((await listed("entries/warm/w")).lastUsedMs, 4e12);
  });

  it("knows which item a path belongs to", () => {
    assert.equal(itemPath("entries/bases/debian/disk.qcow2"), "entries/bases/debian");
    assert.equal(itemPath("blobs/sha256/abc"), "blobs/sha256/abc");
    assert.equal(itemPath("partial/x/data"), "partial/x");
  });
});
