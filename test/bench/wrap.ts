/**
 * Wrapping a disk into a container disk against `sha256sum` of the same file, in turn. Run:
 * `node test/bench/wrap.ts [MiB] [folder]`; 1024 MiB in the system's temporary folder unless told.
 */
import { spawn } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { mkdir, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { KvciError } from "../../src/core/error.ts";
import { median } from "./median.ts";

const ROUNDS = 5;
const MIB = 1024 * 1024;
const WRAP_ONCE = fileURLToPath(new URL("wrap-once.ts", import.meta.url));

async function main(): Promise<void> {
  const [sizeMiB = "1024", parent = tmpdir()] = process.argv.slice(2);
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, "kvci-bench-wrap-"));
  try {
    const disk = join(folder, "disk.qcow2");
    await writeNoise(disk, Number(sizeMiB));
    report(Number(sizeMiB), await measure(disk, join(folder, "image")));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Samples {
  readonly wrapMs: number[];
  readonly sha256sumMs: number[];
  readonly peakBytes: number[];
}

async function measure(disk: string, layout: string): Promise<Samples> {
  const samples: Samples = { wrapMs: [], sha256sumMs: [], peakBytes: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    samples.sha256sumMs.push((await timed("sha256sum", [disk])).ms);
    await rm(layout, { recursive: true, force: true });
    const wrap = await timed(process.execPath, [WRAP_ONCE, disk, layout]);
    samples.wrapMs.push(wrap.ms);
    samples.peakBytes.push(Number(wrap.stdout));
  }
  return samples;
}

/** Whole processes are timed on both sides, start-up included. */
function timed(file: string, args: readonly string[]): Promise<{ readonly ms: number; readonly stdout: string }> {
  const started = performance.now();
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
  let stdout = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve({ ms: performance.now() - started, stdout });
      else reject(new KvciError("program-failed", `${file} exited ${String(code)}`, { hint: "See its output above." }));
    });
  });
}

/** Bytes that do not compress, as those of a zstd qcow2. */
async function writeNoise(path: string, sizeMiB: number): Promise<void> {
  const handle = await open(path, "w");
  const chunk = Buffer.alloc(MIB);
  for (let index = 0; index < sizeMiB; index += 1) await handle.write(randomFillSync(chunk));
  await handle.sync();
  await handle.close();
}

function report(sizeMiB: number, { wrapMs, sha256sumMs, peakBytes }: Samples): void {
  const [wrap, sha256sum] = [median(wrapMs), median(sha256sumMs)];
  process.stdout.write(
    [
      `wrap ${String(sizeMiB)} MiB, median of ${String(ROUNDS)}: ${wrap.toFixed(0)} ms (all: ${wrapMs.map(Math.round).join(" ")})`,
      `sha256sum of the same file: ${sha256sum.toFixed(0)} ms (all: ${sha256sumMs.map(Math.round).join(" ")})`,
      `ratio ${(wrap / sha256sum).toFixed(2)} (at most 2); peak memory ${(Math.max(...peakBytes) / MIB).toFixed(0)} MiB (at most 250)`,
      "",
    ].join("\n"),
  );
}

await main();
