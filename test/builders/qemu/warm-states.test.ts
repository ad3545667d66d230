import assert from "node:assert/strict";
import { readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { newKeys } from "../../../builders/qemu/identity.ts";
import {
  dropWarmState,
  findWarmState,
  keepWarmState,
  memoryPath,
  warmEntry,
  type WarmState,
} from "../../../builders/qemu/warm-states.ts";
import { sha256 } from "../../../src/core/digest.ts";
import type { Store, TemporaryFolder } from "../../../src/store/store.ts";
import { folderStore } from "../../fakes/folder-store.ts";

const { signal } = new AbortController();
const KEY = { layer: "layer-id", fingerprint: sha256("machine") };
const keys = newKeys();

describe("a warm state in the store", () => {
  let store: Store & TemporaryFolder;
  beforeEach(async () => {
    store = await folderStore();
  });
  afterEach(() => store[Symbol.asyncDispose]());

  const keep = async (memory = "memory", firmwareVars?: string): Promise<void> => {
    const folder = await store.temporaryFolder("warm");
    await writeFile(memoryPath(folder.path), memory, { mode: 0o600 });
    const facts = {
      keys,
      firmwareVars,
      what: "step one of test",
      bytes: 6,
      createdAt: "2026-11-20T12:00:00.000Z",
      signal,
    };
    await keepWarmState(store, KEY, { folder: folder.path, ...facts });
    await folder[Symbol.asyncDispose]();
  };
  const find = (key = KEY) => findWarmState(store, key, signal);
  const found = async (): Promise<WarmState> => {
    const state = await find();
    assert.ok(!("none" in state), JSON.stringify(state));
    return state;
  };

  it("is found by layer and machine, with its memory and keys", async () => {
    assert.deepEqual(await find(), { none: "absent" });
    await keep();
    const state = await found();
    assert.deepEqual([await readFile(state.memory, "utf8"), state.keys, state.bytes], ["memory", keys, 6]);
    assert.equal(state.firmwareVars, undefined);
  });

  it("is not found for another layer or another machine", async () => {
    await keep();
    assert.deepEqual(await find({ ...KEY, layer: "other" }), { none: "absent" });
    assert.deepEqual(await find({ ...KEY, fingerprint: sha256("other machine") }), { none: "absent" });
  });

  it("keeps the firmware variables that its machine had", async () => {
    const vars = join(store.root, "vars");
    await writeFile(vars, "variables");
    await keep("memory", vars);
    assert.equal(await readFile((await found()).firmwareVars ?? "", "utf8"), "variables");
  });

  it("is its owner's alone where keys are in it, and says what it is of no use without", async () => {
    await keep();
    const folder = warmEntry(store, KEY);
    for (const name of ["memory.zst", "state.json"]) {
      assert.equal((await stat(join(folder, name))).mode & 0o077, 0, name);
    }
    const note = JSON.parse(await readFile(join(folder, "entry.json"), "utf8")) as object;
    assert.deepEqual(note, {
      what: "memory after step one of test",
      createdAt: "2026-11-20T12:00:00.000Z",
      needs: ["entries/layers/layer-id"],
    });
  });

  it("stays when another build made the same", async () => {
    await keep("first");
    await keep("second");
    assert.equal(await readFile((await found()).memory, "utf8"), "first");
  });

  const damages: readonly (readonly [string, RegExp, (folder: string) => Promise<void>])[] = [
    ["with another byte in its memory", /another digest/, (folder) => writeFile(join(folder, "memory.zst"), "memorY")],
    ["with memory that is cut off", /another digest/, (folder) => truncate(join(folder, "memory.zst"), 3)],
    ["without a record that can be read", /cannot be read/, (folder) => writeFile(join(folder, "state.json"), "{}")],
  ];
  for (const [what, why, damage] of damages) {
    it(`${what} is named once and gone`, async () => {
      await keep();
      await damage(warmEntry(store, KEY));
      const state = await find();
      assert.ok("none" in state);
      assert.match(state.none, why);
      assert.deepEqual(await find(), { none: "absent" });
      assert.deepEqual(await readdir(join(store.root, "tmp/run")), []);
    });
  }

  it("is gone when it did not do, and can be made anew", async () => {
    await keep("first");
    await dropWarmState(await found(), store);
    assert.deepEqual(await find(), { none: "absent" });
    await keep("second");
    assert.equal(await readFile((await found()).memory, "utf8"), "second");
  });
});
