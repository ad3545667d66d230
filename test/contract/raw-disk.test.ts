import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, open, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diskBlocks, rawDisk } from "../../src/disk/raw-disk.ts";
import { runProgram } from "../../src/host/program.ts";

const BLOCK = 512 * 1024;
const { signal } = new AbortController();
const run = (argv: [string, ...string[]]) => runProgram(argv, { signal, timeoutMs: 60_000 });

describe("raw disk", () => {
  let folder: string;
  let raw: string;
  let qcow2: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-raw-"));
    raw = join(folder, "disk.raw");
    qcow2 = join(folder, "disk.qcow2");
    // A size that is no whole number of blocks, data at both ends, a hole in between.
    const file = await open(raw, "w");
    await file.truncate(40 * BLOCK + 4096);
    await file.write(Buffer.alloc(3 * BLOCK, "a"), 0, 3 * BLOCK, BLOCK);
    await file.write(Buffer.alloc(4096, "z"), 0, 4096, 40 * BLOCK);
    await file.close();
    await run(["qemu-img", "convert", "-q", "-c", "-O", "qcow2", raw, qcow2]);
  });

  after(() => rm(folder, { recursive: true }));

  it("gives the bytes that the guest would read", async () => {
    const read = createHash("sha256");
    for await (const piece of rawDisk(qcow2, { signal })) read.update(piece);
    const expected = createHash("sha256");
    for await (const piece of createReadStream(raw)) expected.update(piece as Buffer);
    assert.equal(read.digest("hex"), expected.digest("hex"));
  });

  it("comes in blocks that know whether they are empty, the last one padded", async () => {
    const blocks: { index: number; isZero: boolean; bytes: number }[] = [];
    for await (const { index, data, isZero } of diskBlocks(rawDisk(qcow2, { signal }), BLOCK)) {
      blocks.push({ index, isZero, bytes: data.length });
    }
    assert.equal(blocks.length, 41);
    assert.deepEqual(
      blocks.filter(({ isZero }) => !isZero).map(({ index }) => index),
      [1, 2, 3, 40],
    );
    assert.ok(blocks.every(({ bytes }) => bytes === BLOCK));
  });

  it("leaves no process behind when reading stops early or is stopped", async () => {
    for await (const piece of rawDisk(qcow2, { signal })) {
      assert.ok(piece.length > 0);
      break;
    }
    const stop = new AbortController();
    await assert.rejects(
      async () => {
        for await (const piece of rawDisk(qcow2, { signal: stop.signal })) {
          assert.ok(piece.length > 0);
          stop.abort();
        }
      },
      { code: "interrupted" },
    );
    assert.deepEqual(await processesOn(qcow2), []);
  });

  it("says what is wrong with a disk that cannot be read", async () => {
    const missing = rawDisk(join(folder, "gone.qcow2"), { signal });
    await assert.rejects(missing.next(), { code: "program-failed", message: /^nbdcopy exited/ });
  });
});

/** Command lines that name a file. */
async function processesOn(path: string): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  return lines.filter((line) => line.includes(path));
}
