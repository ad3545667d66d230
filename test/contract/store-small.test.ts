import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheGc } from "../../src/cli/commands/cache-gc.ts";
import { sha256 } from "../../src/core/digest.ts";
import { errnoOf } from "../../src/core/file-system-error.ts";
import { collect } from "../../src/store/collect.ts";
import { openStore } from "../../src/store/file-store.ts";
import { inventory } from "../../src/store/inventory.ts";
import { fileLayerStore } from "../../src/store/layer-store.ts";
import type { Draft, LayerStore } from "../../src/store/layer.ts";
import { pin } from "../../src/store/pins.ts";
import type { Store, TemporaryFolder } from "../../src/store/store.ts";
import { capturedApp, restoreEnvironment } from "../src/cli/commands/captured-app.ts";

const { signal } = new AbortController();
const MIB = 1024 ** 2;
const FACTS = { step: "containerd", ops: [], template: "quickstart", durationMs: 1, virtualBytes: 1 };

/** A store on a file system of its own, of 4 MiB. Needs root, as the other tests of file systems do. */
describe("a store on a small file system", () => {
  restoreEnvironment();
  let root = "";
  let store: Store;
  let layers: LayerStore;
  const remount = (options: string): void => void execFileSync("mount", ["-o", `remount,${options}`, root]);
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "kvci-small-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", root]);
    store = await openStore(root, { runId: "run-1", description: "test" });
    layers = fileLayerStore(store);
    await mkdir(join(root, "entries/bases/debian"), { recursive: true });
    await writeFile(join(root, "entries/bases/debian/disk.qcow2"), "base");
  });
  afterEach(async () => {
    execFileSync("umount", ["--lazy", root]);
    await rm(root, { recursive: true, force: true });
  });

  const draftOf = async (name: string, bytes: number): Promise<Draft & { readonly folder: TemporaryFolder }> => {
    const folder = await store.temporaryFolder("layer");
    const basePath = join(root, "entries/bases/debian/disk.qcow2");
    const draft = await layers.draft({ key: sha256(name), parent: undefined, basePath, folder: folder.path });
    await writeFile(draft.path, Buffer.alloc(bytes, 1));
    return { ...draft, folder };
  };
  const fill = async (): Promise<void> => {
    const filling = writeFile(join(root, "partial/filling"), Buffer.alloc(8 * MIB, 1));
    await assert.rejects(filling, (error) => errnoOf(error) === "ENOSPC");
  };
  const freeBytes = async (): Promise<number> => {
    const { bavail, bsize } = await statfs(root);
    return bavail * bsize;
  };

  it("says that it is full, keeps nothing half of a layer, and gives the room back", async () => {
    const draft = await draftOf("step", MIB);
    await fill();
    await assert.rejects(layers.adopt(draft, FACTS, signal), {
      code: "store-full",
      message: /: no space is left$/,
      hint: /^Free some space/,
    });
    await draft.folder[Symbol.asyncDispose]();
    assert.deepEqual(await layers.list(), []);
    assert.ok((await freeBytes()) >= MIB, "the room was not given back");
    await rm(join(root, "partial/filling"));
    assert.equal((await layers.adopt(await draftOf("step", MIB), FACTS, signal)).bytes, MIB);
  });

  it("keeps what it has when it is full: layers are found, read, and set aside", async () => {
    const layer = await layers.adopt(await draftOf("step", MIB), FACTS, signal);
    await fill();
    assert.equal((await layers.chain([{ key: layer.key }], { now: Date.now() })).end.kind, "complete");
    assert.equal(await layers.isIntact(layer, signal), true);
    await layers.touch([layer]);
    await layers.setAside(layer);
    assert.deepEqual(await layers.list(), []);
  });

  it("says that it is full when a run notes what it uses, and a removal makes room in it", async () => {
    await fill();
    await assert.rejects(pin(store, { runId: "run-1", items: ["blobs/sha256/b"], signal }), { code: "store-full" });
    const { freedBytes } = await collect(store, { maxBytes: MIB, signal });
    assert.ok(freedBytes >= MIB);
    assert.ok((await freeBytes()) >= MIB);
    await pin(store, { runId: "run-1", items: ["blobs/sha256/b"], signal });
  });

  it("is made room in by `cache gc`, although no run can be noted in it", async () => {
    await fill();
    const app = capturedApp(root, Date.now());
    assert.equal(await cacheGc(app, { maxSize: "1M" }), 0);
    assert.match(app.out(), /partial +unfinished filling/);
    assert.ok((await freeBytes()) >= MIB);
    assert.deepEqual(await readdir(join(root, "runs")), []);
  });

  it("is read when it is read-only, and says so when it would be written", async () => {
    const layer = await layers.adopt(await draftOf("step", 1000), FACTS, signal);
    const draft = await draftOf("other", 1000);
    remount("ro");
    const readOnly = { code: "store-unusable", message: /read-?only/ };
    assert.equal((await layers.chain([{ key: layer.key }], { now: Date.now() })).end.kind, "complete");
    assert.equal(await fileLayerStore(store, { bootId: async () => "other" }).isIntact(layer, signal), true);
    await layers.touch([layer]);
    assert.equal((await inventory(root)).length, 2);
    const { removed } = await collect(store, { maxBytes: 0, dryRun: true, signal });
    assert.equal(removed.length, 2);
    await assert.rejects(layers.adopt(draft, FACTS, signal), readOnly);
    await assert.rejects(layers.setAside(layer), readOnly);
    await assert.rejects(collect(store, { maxBytes: 0, signal }), readOnly);
    await assert.rejects(store.tryLock("x"), readOnly);
    await assert.rejects(store.temporaryFolder("layer"), readOnly);
  });

  it("takes nothing over from another file system in pieces: drafts are made in the store", async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), "kvci-elsewhere-"));
    const basePath = join(root, "entries/bases/debian/disk.qcow2");
    const below = { key: sha256("step"), parent: undefined, basePath, folder: join(elsewhere, "tmp/run/layer") };
    await assert.rejects(layers.draft(below), { code: "internal" });
    assert.deepEqual(await readdir(elsewhere), []);
    await rm(elsewhere, { recursive: true });
  });
});
