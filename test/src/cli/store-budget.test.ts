import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { trimStore } from "../../../src/cli/store-budget.ts";
import { createJournal } from "../../../src/journal/event-journal.ts";
import { openStore } from "../../../src/store/file-store.ts";
import { pin } from "../../../src/store/pins.ts";
import type { Sink } from "../../../src/journal/sink.ts";
import { recordRun } from "../../../src/host/run-record.ts";
import type { Store } from "../../../src/store/store.ts";
import { inventory } from "../../../src/store/inventory.ts";

const { signal } = new AbortController();
const MIB = 1024 ** 2;
const RUN = "11111111-1111-4111-8111-111111111111";

describe("the store's budget", () => {
  let root: string;
  let store: Store;
  const told: string[] = [];
  const sink: Sink = {
    write: ({ event }) => void (event.type === "warning" && told.push(`${event.subject}: ${event.detail}`)),
  };
  const journal = createJournal({ build: "test", sinks: [sink] });
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), "kvci-budget-"));
    told.length = 0;
    store = await openStore(root, { runId: RUN, description: "a test" });
    await mkdir(join(root, "blobs/sha256"), { recursive: true });
    for (const [index, name] of ["a", "b", "c"].entries()) {
      const path = join(root, "blobs/sha256", name.repeat(64));
      await writeFile(path, Buffer.alloc(2 * MIB, name));
      await utimes(path, 1_700_000_000 + index, 1_700_000_000 + index);
    }
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const names = async (): Promise<string[]> => (await inventory(root)).map(({ path }) => path.slice(-1));

  it("is kept by removing what was used longest ago, and the journal says so", async () => {
    await trimStore({ store: { maxGiB: 5 / 1024 } }, { store, signal, journal });
    assert.deepEqual(await names(), ["b", "c"]);
    assert.deepEqual(told.length, 1);
    assert.match(told[0] ?? "", /^store: removed what was used longest ago: 1 items, 2 MiB, to stay within 5 MiB$/);
  });

  it("never takes what a running build uses, and says that it is too small for that", async () => {
    const run = await recordRun(root, { id: RUN, command: "test" });
    await pin(store, { runId: RUN, items: [`blobs/sha256/${"a".repeat(64)}`], signal });
    await trimStore({ store: { maxGiB: 1 / 1024 } }, { store, signal, journal });
    assert.deepEqual(await names(), ["a"]);
    assert.match(told.at(-1) ?? "", /^store: what running builds use takes 2 MiB, more than the 1 MiB/);
    await run[Symbol.asyncDispose]();
  });

  it("does not matter where there is none, or there is room", async () => {
    await trimStore({ store: {} }, { store, signal, journal });
    await trimStore({ store: { maxGiB: 1 } }, { store, signal, journal });
    assert.deepEqual([await names(), told], [["a", "b", "c"], []]);
  });
});
