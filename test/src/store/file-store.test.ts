import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { sha256 } from "../../../src/core/digest.ts";
import { openStore } from "../../../src/store/file-store.ts";

const signal = new AbortController().signal;

describe("the store", () => {
  let root = "";
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "kvci-store-"));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));
  const open = (runId = "run-1") => openStore(root, { runId, description: `kvci-build test (${runId})` });

  it("takes a finished file over as a blob that cannot be written", async () => {
    const store = await open();
    const folder = await store.temporaryFolder("download");
    const file = join(folder.path, "data");
    await writeFile(file, "disk");
    const digest = sha256("disk");
    assert.equal(await store.hasBlob(digest), false);
    const path = await store.adoptBlob(file, digest);
    assert.equal(path, store.blobPath(digest));
    assert.equal(await readFile(path, "utf8"), "disk");
    assert.equal((await stat(path)).mode & 0o777, 0o444);
    await folder[Symbol.asyncDispose]();
    assert.equal(await store.hasBlob(digest), true);
  });

  it("keeps the first of two entries with one key", async () => {
    const store = await open();
    for (const content of ["first", "second"]) {
      const folder = await store.temporaryFolder("base");
      await writeFile(join(folder.path, "disk.qcow2"), content);
      await store.adoptEntry(folder.path, "bases", "sha256:abc");
      await folder[Symbol.asyncDispose]();
    }
    assert.equal(await readFile(join(store.entryPath("bases", "sha256:abc"), "disk.qcow2"), "utf8"), "first");
  });

  it("removes temporary folders on disposal and keeps partial downloads", async () => {
    const store = await open();
    const folder = await store.temporaryFolder("x");
    await writeFile(join(await store.partialFolder("download-sha256:1"), "data"), "half");
    await folder[Symbol.asyncDispose]();
    assert.deepEqual(await readdir(join(root, "tmp", "run-1")), []);
    assert.deepEqual(await readdir(join(root, "partial")), ["download-sha256-1"]);
  });

  it("lets one holder of a lock in at a time, and tells the other who it is", async () => {
    const [one, two] = [await open("run-1"), await open("run-2")];
    const held = await one.lock("base", { signal });
    const waited: string[] = [];
    let free = false;
    const second = two.lock("base", { signal, onWait: (holder) => waited.push(holder) }).then((lock) => {
      assert.ok(free, "two held the lock");
      return lock;
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    free = true;
    await held[Symbol.asyncDispose]();
    await (await second)[Symbol.asyncDispose]();
    assert.deepEqual(waited, ["kvci-build test (run-1)"]);
  });

  it("tries a lock without waiting for it", async () => {
    const [one, two] = [await open("run-1"), await open("run-2")];
    const held = await one.tryLock("base");
    assert.ok(held);
    assert.equal(await two.tryLock("base"), undefined);
    await held[Symbol.asyncDispose]();
    const next = await two.tryLock("base");
    assert.ok(next);
    await next[Symbol.asyncDispose]();
  });

  it("opens at a relative path", async () => {
    const path = relative(process.cwd(), join(root, "deep/er"));
    const store = await openStore(path, { runId: "run-1", description: "test" });
    assert.equal(await store.hasBlob(sha256("disk")), false);
    assert.deepEqual(await readdir(join(root, "deep/er/blobs")), ["sha256", "sha512"]);
  });

  it("stops waiting when it is told to", async () => {
    const store = await open();
    const held = await store.lock("base", { signal });
    await assert.rejects(store.lock("base", { signal: AbortSignal.timeout(100) }));
    await held[Symbol.asyncDispose]();
  });

  it("frees the lock of a process that was killed", async () => {
    await open();
    const script = `
      import { openStore } from ${JSON.stringify(new URL("../../../src/store/file-store.ts", import.meta.url).href)};
      const store = await openStore(${JSON.stringify(root)}, { runId: "killed", description: "killed" });
      await store.lock("base", { signal: new AbortController().signal });
      console.log("held");
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, [
      "--disable-warning=ExperimentalWarning",
      "--input-type=module",
      "-e",
      script,
    ]);
    await once(child.stdout, "data");
    child.kill("SIGKILL");
    await once(child, "close");
    const lock = await (await open()).lock("base", { signal: AbortSignal.timeout(5_000) });
    await lock[Symbol.asyncDispose]();
  });
});
