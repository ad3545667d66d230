import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { sha256 } from "../../src/core/digest.ts";
import { collect } from "../../src/store/collect.ts";
import { openStore } from "../../src/store/file-store.ts";
import { inventory } from "../../src/store/inventory.ts";
import { fileLayerStore } from "../../src/store/layer-store.ts";
import type { Layer, LayerStore } from "../../src/store/layer.ts";
import type { Store } from "../../src/store/store.ts";

const { signal } = new AbortController();
const MIB = 1024 ** 2;
const DISK_MIB = 16;
/** What one step changes on the disk. */
const DELTA_MIB = 1;

/** Disks of qemu-img in a store that is a file system of its own; what is made of them is on another one. */
describe("a chain of layers", () => {
  let root = "";
  let out = "";
  let store: Store;
  let layers: LayerStore;
  let basePath = "";
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "kvci-chain-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", root]);
    out = await mkdtemp(join(tmpdir(), "kvci-out-"));
    store = await openStore(root, { runId: "run-1", description: "test" });
    layers = fileLayerStore(store);
    basePath = join(root, "entries/bases/debian/disk.qcow2");
    await mkdir(dirname(basePath), { recursive: true });
    qemuImg("create", "-q", "-f", "qcow2", basePath, `${DISK_MIB}M`);
    write(basePath, 0);
  });
  after(async () => {
    execFileSync("umount", ["--lazy", root]);
    for (const folder of [root, out]) await rm(folder, { recursive: true, force: true });
  });

  /** A layer that writes its place's number into the place's MiB of the disk. */
  const add = async (at: number, parent: Layer | undefined, name = String(at)): Promise<Layer> => {
    const { path: folder } = await store.temporaryFolder("layer");
    const draft = await layers.draft({ key: sha256(name), parent, basePath, folder });
    qemuImg("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", draft.backingName, draft.link);
    write(draft.link, at);
    const facts = { step: name, ops: [], template: "chain", durationMs: 1, virtualBytes: DISK_MIB * MIB };
    return layers.adopt(draft, facts, signal);
  };

  it("is read through its relative names, before and after each draft becomes a layer", async () => {
    const first = await add(1, undefined);
    const second = await add(2, first);
    const flat = join(out, "flat.raw");
    qemuImg("convert", "-f", "qcow2", "-O", "raw", second.link, flat);
    const bytes = await readFile(flat);
    for (const at of [0, 1, 2]) {
      assert.ok(bytes.subarray(at * MIB, (at + DELTA_MIB) * MIB).equals(Buffer.alloc(MIB, at + 1)), `MiB ${at}`);
    }
    assert.equal(await layers.isIntact(second, signal), true);
  });

  it("costs a delta for every build that differs in its last step, and they are given back", async () => {
    const first = await add(3, undefined, "shared");
    const before = await used();
    const builds = 20;
    for (let build = 0; build < builds; build += 1) await add(4, first, `last ${build}`);
    const grown = (await used()) - before;
    assert.ok(grown < builds * (DELTA_MIB + 0.5) * MIB, `${grown / MIB} MiB for ${builds} builds`);
    await collect(store, { maxBytes: before + 2 * DELTA_MIB * MIB, signal });
    assert.ok((await used()) <= before + 2 * DELTA_MIB * MIB);
    assert.deepEqual((await layers.list()).filter(({ id }) => id === first.id).length, 1);
  });

  const used = async (): Promise<number> => (await inventory(root)).reduce((sum, { bytes }) => sum + bytes, 0);
});

function qemuImg(...argv: readonly string[]): void {
  execFileSync("qemu-img", argv, { encoding: "utf8" });
}

/** Fills one MiB of the disk with the number after its own. */
function write(path: string, at: number): void {
  execFileSync("qemu-io", ["-f", "qcow2", "-c", `write -P ${at + 1} ${at}M ${DELTA_MIB}M`, path]);
}
