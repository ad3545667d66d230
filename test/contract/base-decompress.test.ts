import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compressionOf, decompress } from "../../src/base/decompress.ts";
import { silentJournal } from "../../src/core/journal.ts";

const CONTENT = Buffer.concat([randomBytes(100_000), Buffer.alloc(500_000), randomBytes(1_000), Buffer.alloc(100_000)]);
const PROGRAMS = { gzip: "gzip", xz: "xz", zstd: "zstd" } as const;

describe("unpacking what the real programs packed", () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-unpack-"));
  });

  afterEach(() => rm(folder, { recursive: true }));

  const signal = new AbortController().signal;

  for (const [compression, program] of Object.entries(PROGRAMS) as ["gzip" | "xz" | "zstd", string][]) {
    it(`works for ${compression}: knows it, gives the same bytes with holes, leaves the source and nothing else`, async () => {
      const source = join(folder, "packed");
      const packed = execFileSync(program, ["-c"], { input: CONTENT });
      await writeFile(source, packed);
      assert.equal(compressionOf(packed), compression);
      const target = join(folder, "disk");
      await decompress(source, target, { compression, signal, journal: silentJournal });
      assert.ok((await readFile(target)).equals(CONTENT));
      assert.ok((await stat(target)).blocks * 512 < 300_000);
      assert.deepEqual((await readdir(folder)).sort(), ["disk", "packed"]);
      assert.ok((await readFile(source)).equals(packed));
    });

    it(`fails for damaged ${compression} without leaving a part`, async () => {
      const source = join(folder, "packed");
      const packed = execFileSync(program, ["-c"], { input: CONTENT });
      await writeFile(source, packed.subarray(0, packed.length / 2));
      const work = decompress(source, join(folder, "disk"), { compression, signal, journal: silentJournal });
      await assert.rejects(work, { code: "base-failed" });
      assert.deepEqual(await readdir(folder), ["packed"]);
    });
  }
});
