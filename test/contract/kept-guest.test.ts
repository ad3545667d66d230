import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  dropKeptGuest,
  findKeptGuest,
  keptArches,
  putKeptGuest,
  type KeptState,
} from "../../builders/qemu/kept-guest.ts";
import { silentJournal } from "../../src/core/journal.ts";
import { inventory } from "../../src/store/inventory.ts";
import { folderStore } from "../fakes/folder-store.ts";

const signal = new AbortController().signal;
const pair = { privateKey: "private", publicKey: "public" };
const state: KeptState = {
  schema: "kvci-build/kept-guest",
  version: 1,
  template: "node",
  arch: "amd64",
  step: "bad",
  error: { code: "command-failed", message: "false exited 1" },
  keptAt: "2026-11-20T10:00:00.000Z",
  machine: { memoryMiB: 512, cpus: 1, firmware: "uefi" },
  identity: "nocloud",
  keys: { clientKey: pair, hostKey: pair },
};

describe("kept guest", () => {
  let store: Awaited<ReturnType<typeof folderStore>>;
  beforeEach(async () => {
    store = await folderStore();
    for (const folder of ["chain", "entries/bases/debian"]) await mkdir(join(store.root, folder), { recursive: true });
    await writeFile(join(store.root, "entries/bases/debian/disk.qcow2"), "");
  });
  afterEach(() => store[Symbol.asyncDispose]());

  const put = async (more: Partial<KeptState> = {}): Promise<void> => {
    const folder = await store.temporaryFolder("kept");
    const disk = join(folder.path, "disk.qcow2");
    const backing = ["-u", "-F", "qcow2", "-b", "../entries/bases/debian/disk.qcow2"];
    await promisify(execFile)("qemu-img", ["create", "-q", "-f", "qcow2", ...backing, disk, "1M"]);
    const context = { signal, journal: silentJournal };
    await putKeptGuest(store, folder.path, { state: { ...state, ...more }, context, signal });
  };

  it("is found by template and architecture, and needs what its disk stands on", async () => {
    await put();
    const found = await findKeptGuest(store, state);
    assert.deepEqual(found?.state, state);
    assert.deepEqual(await keptArches(store, "node"), ["amd64"]);
    assert.equal(await findKeptGuest(store, { template: "node", arch: "arm64" }), undefined);
    const item = (await inventory(store.root)).find(({ kind }) => kind === "kept");
    assert.deepEqual(item?.needs, ["entries/bases/debian"]);
    assert.equal(item.what, "guest that step bad of node (amd64) failed in");
  });

  it("keeps its keys to its owner", async () => {
    await put();
    const { folder = "" } = (await findKeptGuest(store, state)) ?? {};
    assert.equal((await stat(join(folder, "state.json"))).mode & 0o777, 0o600);
  });

  it("takes the place of the one before", async () => {
    await put();
    await put({ step: "worse" });
    assert.equal((await findKeptGuest(store, state))?.state.step, "worse");
    assert.deepEqual(await readdir(join(store.root, "entries/kept")), ["node-amd64"]);
  });

  it("is dropped, but not when another one was kept since", async () => {
    await put({ keptAt: "2026-11-20T11:00:00.000Z" });
    await dropKeptGuest(store, state, { signal, keptAt: state.keptAt });
    assert.ok(await findKeptGuest(store, state));
    await dropKeptGuest(store, state, { signal });
    assert.equal(await findKeptGuest(store, state), undefined);
    await dropKeptGuest(store, state, { signal });
  });

  it("is none when its state cannot be read", async () => {
    await put();
    const path = join(store.entryPath("kept", "node-amd64"), "state.json");
    await writeFile(path, (await readFile(path, "utf8")).slice(0, 20));
    assert.equal(await findKeptGuest(store, state), undefined);
    await put();
    assert.ok(await findKeptGuest(store, state));
  });
});
