import assert from "node:assert/strict";
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { silentJournal } from "../../src/core/journal.ts";
import { checkChain } from "../../src/disk/chain.ts";
import { runProgram } from "../../src/host/program.ts";
import { folderStore } from "../fakes/folder-store.ts";

const { signal } = new AbortController();
const context = { signal, journal: silentJournal };
const MIB = 1024 ** 2;

const run = (...argv: readonly [string, ...string[]]): Promise<string> =>
  runProgram(argv, { signal, timeoutMs: 60_000 });

describe("chain of an unpacked image", function () {
  this.timeout(60_000);
  let folder: string;
  let store: Awaited<ReturnType<typeof folderStore>>;

  beforeEach(async () => {
    store = await folderStore();
    folder = join(store.root, "chain");
    await mkdir(folder);
    await run("qemu-img", "create", "-q", "-f", "qcow2", join(folder, "base.qcow2"), "1M");
  });
  afterEach(() => store[Symbol.asyncDispose]());

  const overlay = (name: string, backing: string, format = "qcow2"): Promise<string> =>
    run("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", format, "-b", backing, join(folder, name), "1M");

  it("is accepted when every file is beside the others", async () => {
    await overlay("disk.qcow2", "base.qcow2");
    assert.deepEqual(await checkChain(folder, "disk.qcow2", context), [
      { name: "base.qcow2", virtualBytes: MIB },
      { name: "disk.qcow2", virtualBytes: MIB },
    ]);
  });

  for (const backing of ["/etc/passwd", "../base.qcow2", "./base.qcow2", "nbd:localhost:10809", "json:{}", ".hidden"]) {
    it(`is refused when a file names ${backing}`, async () => {
      await overlay("disk.qcow2", backing);
      await assert.rejects(checkChain(folder, "disk.qcow2", context), { code: "build-invalid", message: /file below/ });
    });
  }

  it("is refused when the file below is read as another format, is missing, or is the file itself", async () => {
    await overlay("disk.qcow2", "base.qcow2", "raw");
    await assert.rejects(checkChain(folder, "disk.qcow2", context), /says the file below is raw/);
    await overlay("disk.qcow2", "gone.qcow2");
    await assert.rejects(checkChain(folder, "disk.qcow2", context), /gone.qcow2 is missing/);
    await overlay("disk.qcow2", "disk.qcow2");
    await assert.rejects(checkChain(folder, "disk.qcow2", context), /leads back to itself/);
  });

  it("is refused when a file's data is elsewhere, or when it is no qcow2", async () => {
    const data = join(folder, "data.raw");
    await run("qemu-img", "create", "-q", "-f", "qcow2", "-o", `data_file=${data}`, join(folder, "disk.qcow2"), "1M");
    await assert.rejects(checkChain(folder, "disk.qcow2", context), /keeps its data in another file/);
    await copyFile("/dev/null", join(folder, "disk.qcow2"));
    await assert.rejects(checkChain(folder, "disk.qcow2", context), /is no qcow2/);
  });
});
