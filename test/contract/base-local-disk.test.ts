import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hashLocalDisk, provideLocalDisk } from "../../src/base/local-disk.ts";
import { sha256 } from "../../src/core/digest.ts";
import type { Store, TemporaryFolder } from "../../src/store/store.ts";
import { folderStore } from "../fakes/folder-store.ts";
import { RecordingJournal } from "../fakes/recording-journal.ts";

const MIB = 1024 * 1024;

describe("local disk with qemu-img", () => {
  const signal = new AbortController().signal;
  const journal = new RecordingJournal();
  let folder: string;
  let store: Store & TemporaryFolder;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-local-disk-"));
    store = await folderStore();
  });

  afterEach(async () => {
    await store[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  function image(format: string, ...extra: readonly string[]): string {
    const path = join(folder, `disk.${format}`);
    execFileSync("qemu-img", ["create", "-q", "-f", format, ...extra, path, "8M"]);
    return path;
  }

  for (const format of ["qcow2", "raw", "vmdk", "vhdx", "vdi", "vpc"] as const) {
    it(`in ${format} gets its digest, format and size`, async () => {
      // A VMDK made of one file; qemu-img makes a fixed vpc larger to fit its geometry, so a dynamic one.
      const path = image(format, ...(format === "vmdk" ? ["-o", "subformat=monolithicSparse"] : []));
      const disk = await hashLocalDisk(path, { signal });
      const content = await readFile(path);
      assert.deepEqual(
        { ...disk, virtualBytes: 0 },
        { path, format, virtualBytes: 0, fileBytes: content.length, digest: sha256(content) },
      );
      assert.ok(disk.virtualBytes >= 8 * MIB && disk.virtualBytes < 9 * MIB, String(disk.virtualBytes));
    });
  }

  it("is put into the store: qcow2 and raw as they are, others as qcow2", async () => {
    for (const format of ["qcow2", "raw"] as const) {
      const file = await hashLocalDisk(image(format), { signal });
      const disk = await provideLocalDisk(file, { store, signal, journal });
      assert.deepEqual(disk, { path: store.blobPath(file.digest), format });
      assert.deepEqual(await provideLocalDisk(file, { store, signal, journal }), disk);
    }
    const file = await hashLocalDisk(image("vhdx"), { signal });
    const disk = await provideLocalDisk(file, { store, signal, journal });
    assert.equal(disk.format, "qcow2");
    assert.equal((await hashLocalDisk(disk.path, { signal })).virtualBytes, file.virtualBytes);
    assert.deepEqual(await provideLocalDisk(file, { store, signal, journal }), disk);
  });

  it("that changed since it was planned with is refused", async () => {
    const file = await hashLocalDisk(image("raw"), { signal });
    await writeFile(file.path, randomBytes(512), { flag: "r+" });
    await assert.rejects(provideLocalDisk(file, { store, signal, journal }), { code: "digest-mismatch" });
    assert.equal(await store.hasBlob(file.digest), false);
  });

  it("with a backing file is refused, there or not", async () => {
    const base = image("raw");
    const overlay = image("qcow2", "-b", base, "-F", "raw");
    await assert.rejects(hashLocalDisk(overlay, { signal }), { code: "base-failed", message: /backing file/ });
    await rm(base);
    await assert.rejects(hashLocalDisk(overlay, { signal }), { code: "base-failed", message: /backing file/ });
  });

  it("that is damaged, compressed or not there is refused", async () => {
    const path = join(folder, "broken");
    await writeFile(
      path,
      Buffer.concat([Buffer.from("QFI\xfb\0\0\0\x63", "latin1"), randomBytes(1000)]).fill(0, 8, 80),
    );
    await assert.rejects(hashLocalDisk(path, { signal }), { code: "base-failed", message: /cannot read .* as qcow2/ });
    await writeFile(path, Buffer.from([0x1f, 0x8b, 0x08, 0]));
    await assert.rejects(hashLocalDisk(path, { signal }), { code: "base-failed", message: /compressed \(gzip\)/ });
    await assert.rejects(hashLocalDisk(join(folder, "no"), { signal }), { code: "base-failed", message: /ENOENT/ });
  });

  it("is taken as raw when the user says so, whatever it looks like inside", async () => {
    const disk = await hashLocalDisk(image("qcow2"), { signal, format: "raw" });
    assert.equal(disk.virtualBytes, Math.ceil(disk.fileBytes / 512) * 512);
  });
});
