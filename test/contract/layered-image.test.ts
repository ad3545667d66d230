import assert from "node:assert/strict";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { withDisposal } from "../../src/core/disposal.ts";
import { exportBase, exportDelta } from "../../src/disk/delta.ts";
import { qcow2Header } from "../../src/disk/qcow2-header.ts";
import { flatten, imageInfo } from "../../src/disk/qemu-img.ts";
import { digestOfFile } from "../../src/host/file-digest.ts";
import { containerDisk } from "../../src/oci/container-disk.ts";
import { writeImage } from "../../src/oci/image.ts";
import { inspectLayout } from "../../src/oci/inspect.ts";
import type { LayeredImage } from "../../src/pipeline/layered-image.ts";
import { reassembleChain } from "../../src/pipeline/reassemble-chain.ts";
import { context, journal, layeredWorld, MIB, run, signal, type World } from "./layered-world.ts";

async function same(one: string, other: string): Promise<void> {
  await run("qemu-img", "compare", "-q", "-f", "qcow2", "-F", "qcow2", one, other);
}

/** Bytes of the guest's disk that a file itself holds, its chain left out: data, and zeros. */
async function held(path: string): Promise<{ readonly data: number; readonly zero: number }> {
  const text = await run("qemu-img", "map", "--output=json", "-f", "qcow2", path);
  const map = JSON.parse(text) as { depth: number; length: number; data: boolean; present: boolean }[];
  const sum = (data: boolean): number =>
    map
      .filter((part) => part.depth === 0 && part.present && part.data === data)
      .reduce((total, { length }) => total + length, 0);
  return { data: sum(true), zero: sum(false) };
}

/** Digest and modification time of every file in a tree. */
async function snapshot(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(
    files
      .sort()
      .map(
        async (path) => `${path} ${await digestOfFile(path, "sha256", signal)} ${String((await stat(path)).mtimeMs)}`,
      ),
  );
}

for (const format of ["qcow2", "raw"] as const) {
  describe(`layered image on a ${format} base`, function () {
    this.timeout(60_000);
    let at: World;
    let written: LayeredImage;

    before(async () => {
      at = await layeredWorld(format);
      written = await at.build();
    });
    after(() => at[Symbol.asyncDispose]());

    it("has base, one file per phase and the seal, each alone in its layer", async () => {
      assert.deepEqual(
        written.record.files.map(({ file, phase, steps, virtualBytes }) => [
          file,
          phase,
          steps.map(({ name }) => name),
          virtualBytes,
        ]),
        [
          ["base.qcow2", "base", [], 32 * MIB + 512],
          ["10-node.qcow2", "node", ["one", "two"], 64 * MIB],
          ["20-images.qcow2", "images", ["three"], 64 * MIB],
          ["disk.qcow2", "seal", [], 64 * MIB],
        ],
      );
      const [image] = (await inspectLayout(written.image.layout, { verify: true })).images;
      assert.ok(image);
      assert.deepEqual(
        image.layers.map(({ files }) => files.map(({ path, mode, uid, gid }) => [path, mode, uid, gid])),
        ["base", "10-node", "20-images", "disk"].map((name) => [
          ["disk", 0o555, 107, 107],
          [`disk/${name}.qcow2`, 0o440, 107, 107],
        ]),
      );
      assert.equal(image.ref, "sample-layered");
      assert.deepEqual(
        image.layers.map(({ chain }) => chain?.phase),
        ["base", "node", "images", "seal"],
      );
    });

    it("reads as the chain it was made of, once unpacked", async () => {
      const folder = join(at.root, "unpacked");
      const { path, files } = await reassembleChain({ layout: written.image.layout }, folder, context);
      assert.deepEqual(
        files.map(({ name }) => name),
        ["base.qcow2", "10-node.qcow2", "20-images.qcow2", "disk.qcow2"],
      );
      const flat = join(at.root, "flat.qcow2");
      await flatten((await at.seal()).path, flat, context);
      await same(path, flat);
      for (const [name, layer] of [
        ["10-node.qcow2", at.layers[2]],
        ["20-images.qcow2", at.layers[3]],
      ] as const) {
        await same(join(folder, name), layer?.path ?? "");
      }
    });

    it("keeps what was discarded as zeros, and nothing that is as it was below", async () => {
      const folder = join(at.root, "unpacked");
      // 3 MiB by the steps and the first boot, a cluster for the small write, and the one in which the base ends amid;
      // not 1M..2M, which was rewritten as it was. 8M..10M is zero.
      assert.deepEqual(await held(join(folder, "10-node.qcow2")), { data: 3 * MIB + 2 * 64 * 1024, zero: 2 * MIB });
      assert.deepEqual(await held(join(folder, "20-images.qcow2")), { data: 2 * MIB, zero: MIB });
      assert.deepEqual(await held(join(folder, "disk.qcow2")), { data: 64 * 1024, zero: MIB });
    });

    it("names no path of this host in any file", async () => {
      const folder = join(at.root, "unpacked");
      for (const name of await readdir(folder)) {
        const bytes = await readFile(join(folder, name));
        assert.equal(bytes.includes(at.root), false, name);
        const backing = qcow2Header(bytes)?.backingFile;
        assert.match(backing ?? "none", /^[a-z0-9-]+(?:\.qcow2)?$/);
      }
    });

    it("leaves every file of the store as it was", async () => {
      const folders = [join(at.root, "blobs"), join(at.root, "entries", "layers")];
      const before = await Promise.all(folders.map(snapshot));
      await at.build({ template: "untouched" });
      assert.deepEqual(await Promise.all(folders.map(snapshot)), before);
    });

    it("shares base and equal phases between images, byte for byte", async () => {
      const other = await at.build({ layers: at.layers.slice(0, 3), template: "other" });
      const digests = ({ record }: LayeredImage): string[] => record.files.map(({ digest }) => digest);
      assert.deepEqual(digests(other).slice(0, 2), digests(written).slice(0, 2));
      assert.deepEqual(
        other.record.files.map(({ file, steps }) => [file, steps.length]),
        [
          ["base.qcow2", 0],
          ["10-node.qcow2", 2],
          // A step without a layer of its own is in the seal's.
          ["disk.qcow2", 1],
        ],
      );
    });

    it("takes everything but the seal from the store the next time, with the same digest", async () => {
      journal.recorded.length = 0;
      const again = await at.build();
      assert.equal(journal.of("cache-hit").length, 3);
      assert.equal(again.image.digest, written.image.digest);
    });

    it("keeps what it takes from the store from being removed", async () => {
      const names = await readdir(join(at.root, "entries", "exports"));
      assert.deepEqual([...new Set(at.pinned)].sort(), names.map((name) => `entries/exports/${name}`).sort());
    });

    it("gives the same bytes when it is made anew", async () => {
      const anew = await withDisposal(await layeredWorld(format), (fresh) => fresh.build());
      assert.equal(anew.record.files[0]?.digest, written.record.files[0]?.digest);
      const [from, to] = [join(at.root, "twice-1.qcow2"), join(at.root, "twice-2.qcow2")];
      for (const path of [from, to]) {
        const request = { from: at.base, top: at.layers[3]?.path ?? "", backingName: "base.qcow2", folder: at.root };
        await exportDelta({ ...request, to: path }, context);
      }
      assert.deepEqual(await readFile(from), await readFile(to));
    });

    it("exports a base as it is, in its own size", async () => {
      const to = join(at.root, "base-alone.qcow2");
      await exportBase({ from: at.base, to }, context);
      await run("qemu-img", "compare", "-q", "-f", format, "-F", "qcow2", at.base.path, to);
      assert.equal((await imageInfo(to, context)).virtualBytes, at.base.virtualBytes);
    });

    it("stands beside the flat image in one layout", async () => {
      const disk = { path: join(at.root, "flat.qcow2"), format: "qcow2" as const };
      const { layout } = written.image;
      await writeImage(layout, containerDisk({ disk, platform: { os: "linux", arch: "amd64" }, ref: "sample" }));
      const refs = async (): Promise<unknown[]> =>
        (await inspectLayout(layout, { verify: true })).images.map(({ ref, layers }) => [ref, layers.length]);
      const both = [
        ["sample", 1],
        ["sample-layered", 4],
      ];
      assert.deepEqual(await refs(), both);
      await at.build();
      assert.deepEqual(await refs(), both);
      const folder = join(at.root, "flat-unpacked");
      const { files } = await reassembleChain({ layout, ref: "sample" }, folder, context);
      assert.deepEqual(files, [{ name: "disk.qcow2", virtualBytes: 64 * MIB }]);
    });
  });
}

describe("kept export", function () {
  this.timeout(60_000);

  it("is removed and made again when its bytes have changed", async () => {
    await withDisposal(await layeredWorld("qcow2"), async (at) => {
      const first = await at.build();
      const kind = join(at.root, "entries", "exports");
      for (const key of await readdir(kind)) {
        const path = join(kind, key, "layer.qcow2");
        const bytes = await readFile(path);
        bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
        await writeFile(path, bytes);
      }
      journal.recorded.length = 0;
      const second = await at.build();
      assert.equal(journal.of("warning").length, 3);
      assert.equal(second.image.digest, first.image.digest);
    });
  });
});
