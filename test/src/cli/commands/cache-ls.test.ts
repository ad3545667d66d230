import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheLs } from "../../../../src/cli/commands/cache-ls.ts";
import { formatEntryNote } from "../../../../src/store/entry-note.ts";
import { capturedApp } from "./captured-app.ts";

const NOW = Date.parse("2026-11-20T12:00:00Z");
const HOUR_MS = 3_600_000;

describe("cache ls", () => {
  let root = "";
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "kvci-store-"));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));
  const entry = async (path: string, what: string, needs: readonly string[] = []): Promise<void> => {
    const note = join(root, path, "entry.json");
    await mkdir(join(root, path), { recursive: true });
    await writeFile(note, formatEntryNote({ what, createdAt: "2026-11-18T12:00:00Z", needs }));
    for (const each of [note, join(root, path)]) await utimes(each, NOW / 1_000 - 7_200, NOW / 1_000 - 7_200);
  };

  it("says that an empty store is empty, and does not make one", async () => {
    const app = capturedApp(join(root, "none"), NOW);
    assert.equal(await cacheLs(app, {}), 0);
    assert.equal(app.out(), `${root}/none is empty.\n`);
    await assert.rejects(stat(join(root, "none")), { code: "ENOENT" });
  });

  it("shows size, age, last use, kind, words and how many need it, in aligned columns", async () => {
    await entry("entries/bases/debian", "Debian 12");
    await entry("entries/warm/w", "memory after first boot", ["entries/bases/debian"]);
    await entry("entries/exports/e", "layer of a base that is gone", ["entries/bases/gone"]);
    const app = capturedApp(root, NOW);
    assert.equal(await cacheLs(app, {}), 0);
    const lines = app
      .out()
      .split("\n")
      .map((line) => line.replace(/^ *[0-9.]+ \w+ /, "SIZE "));
    assert.deepEqual(lines.slice(1, 4).sort(), [
      "SIZE   2d        2h  base    Debian 12                                          1",
      "SIZE   2d        2h  export  layer of a base that is gone (of no use any more)",
      "SIZE   2d        2h  warm    memory after first boot",
    ]);
    assert.match(lines[0] ?? "", /^ *SIZE {2}AGE {2}LAST USE {2}KIND {4}WHAT +NEEDED BY$/);
    assert.match(lines[5] ?? "", new RegExp(`^SIZE in 3 items, ${root}$`));
  });

  it("gives the same as JSON", async () => {
    await entry("entries/bases/debian", "Debian 12");
    const app = capturedApp(root, NOW);
    assert.equal(await cacheLs(app, { json: true }), 0);
    const { store, bytes, items } = JSON.parse(app.out()) as {
      store: string;
      bytes: number;
      items: { bytes: number }[];
    };
    assert.equal(store, root);
    assert.equal(bytes, items[0]?.bytes);
    assert.deepEqual(items, [
      {
        path: "entries/bases/debian",
        kind: "base",
        what: "Debian 12",
        needs: [],
        usable: true,
        createdAt: "2026-11-18T12:00:00Z",
        bytes,
        lastUsedMs: NOW - 2 * HOUR_MS,
        neededBy: [],
      },
    ]);
  });
});
