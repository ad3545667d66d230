/**
 * The AWS publisher's figures, against a counterpart in a process of its own: blocks to EBS at 1, 16 and 64 at a time, beside a raw
 * client that shows the counterpart's own limit; memory for an 8 GiB disk; what a resumed run and a next version send; and how
 * long it takes to find that 20 regions have everything. Run: `node test/bench/publish-aws.ts [MiB of data]`; 512 unless told.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diskBlocks, rawDisk } from "../../src/disk/raw-disk.ts";
import { runProgram } from "../../src/host/program.ts";
import type { ReleaseBuild } from "../../src/publish/publisher.ts";
import { Publishing, releaseBuild } from "../contract/aws-publishing.ts";
import { puts } from "../contract/aws-readings.ts";
import type { AwsSetup } from "../contract/publish-aws-setup.ts";
import { DEFAULT_REGIONS, startAws } from "../counterparts/aws/start-aws.ts";
import { BLOCK_BYTES, sendRaw, withServer, type RawBlock } from "./publish-aws-server.ts";

const MIB = 2 ** 20;
const LARGE_MIB = 8 * 1024;
const CONCURRENCIES = [1, 16, 64];
const LIMIT_MIB = 250;
const MOST_RESUMED = 0.51;
const MOST_DELTA = 0.2;
const MOST_IDLE_S = 3;
const { signal } = new AbortController();
const dataMiB = Number(process.argv[2] ?? "512");
const folder = mkdtempSync(join(tmpdir(), "kvci-bench-aws-"));
let stores = 0;
const store = (): string => join(folder, `store-${String((stores += 1))}`);
const run = (argv: readonly [string, ...string[]]) => runProgram(argv, { signal, timeoutMs: 600_000 });

try {
  const first = await makeBuild("first", { version: "1.0", virtualMiB: dataMiB + 128 });
  await speed(first);
  await memory(await makeBuild("large", { version: "1.0", virtualMiB: LARGE_MIB }));
  await resume(first);
  await nextVersion(first);
  await nothingNew(first);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Data that does not compress, in a disk that is larger. @param disk.from a disk that most of it is the same as. */
async function makeBuild(
  name: string,
  disk: { readonly version: string; readonly virtualMiB: number; readonly from?: ReleaseBuild },
): Promise<ReleaseBuild> {
  const { version, virtualMiB, from } = disk;
  const diskPath = join(folder, `${name}.qcow2`);
  const noise = join(folder, "noise");
  const mib = from ? Math.floor(dataMiB / 8) : dataMiB;
  await run([
    "dd",
    "if=/dev/urandom",
    `of=${noise}`,
    "bs=1M",
    `count=${String(mib)}`,
    "iflag=fullblock",
    "status=none",
  ]);
  if (from) await run(["cp", from.diskPath, diskPath]);
  else await run(["qemu-img", "create", "-q", "-f", "qcow2", diskPath, `${String(virtualMiB)}M`]);
  await run(["qemu-io", "-f", "qcow2", "-c", `write -q -s ${noise} 64M ${String(mib)}M`, diskPath]);
  const hash = createHash("sha256");
  for await (const piece of rawDisk(diskPath, { signal })) hash.update(piece);
  const content = `sha256:${hash.digest("hex")}` as const;
  return releaseBuild({ diskPath, content, version, virtualBytes: virtualMiB * MIB });
}

async function speed(build: ReleaseBuild): Promise<void> {
  const blocks: RawBlock[] = [];
  for await (const { index, data, isZero } of diskBlocks(rawDisk(build.diskPath, { signal }), BLOCK_BYTES)) {
    if (!isZero) blocks.push({ index, data });
  }
  const mib = (blocks.length * BLOCK_BYTES) / MIB;
  print(`${String(mib)} MiB of data in ${String(build.virtualBytes / MIB)} MiB`);
  for (const concurrency of CONCURRENCIES) {
    const raw = mib / (await withServer((env) => sendRaw(env, blocks, concurrency)));
    const ours = mib / (await withServer((env) => uploadSeconds(env, build, concurrency)));
    const share = `${((100 * ours) / raw).toFixed(0)} % of the counterpart's limit`;
    print(
      `${String(concurrency).padStart(2)} at a time: ${ours.toFixed(0)} MiB/s; raw client ${raw.toFixed(0)} MiB/s; ${share}`,
    );
  }
}

/** Of the upload step alone, from the disk's first byte to the sealed snapshot. */
async function uploadSeconds(
  env: Readonly<Record<string, string>>,
  build: ReleaseBuild,
  concurrency: number,
): Promise<number> {
  const uploads = { start: concurrency, most: concurrency };
  const publishing = await Publishing.start({ env }, store(), { ports: { uploads } });
  const plan = await publishing.plan([build]);
  const steps = plan.steps.filter(({ kind }) => kind === "upload-snapshot");
  const begun = performance.now();
  await publishing.apply({ ...plan, steps });
  return (performance.now() - begun) / 1000;
}

async function memory(build: ReleaseBuild): Promise<void> {
  const peak = await withServer(async (env) => (await publishInChild(env, build, store())).peakMiB);
  judge(
    `peak memory of a process that publishes ${String(dataMiB)} MiB in 8 GiB: ${peak.toFixed(0)} MiB (at most ${String(LIMIT_MIB)})`,
    peak <= LIMIT_MIB,
  );
}

/** As the command does: a process that loads, observes, plans and applies. */
async function publishInChild(
  env: Readonly<Record<string, string>>,
  build: ReleaseBuild,
  storeRoot: string,
): Promise<{ readonly peakMiB: number; readonly seconds: number; readonly steps: number }> {
  const builds = join(folder, "builds.json");
  writeFileSync(builds, JSON.stringify([build]));
  const own: AwsSetup = {
    env: { ...env },
    target: { regions: DEFAULT_REGIONS.slice(0, 20), public: true },
    builds,
    storeRoot,
  };
  const setup = join(import.meta.dirname, "../contract/publish-aws-setup.ts");
  const driver = join(import.meta.dirname, "../contract/publish-driver.ts");
  const begun = performance.now();
  const child = spawn(process.execPath, [driver, JSON.stringify({ setup, input: own, storeRoot })], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let peakMiB = 0;
  const timer = setInterval(() => (peakMiB = Math.max(peakMiB, highWaterMiB(child.pid ?? 0))), 50);
  let text = "";
  for await (const chunk of child.stdout) text += String(chunk);
  clearInterval(timer);
  const outcome = JSON.parse(text) as { readonly steps: number; readonly error: string | null };
  if (outcome.error !== null) throw new Error(outcome.error);
  return { peakMiB, seconds: (performance.now() - begun) / 1000, steps: outcome.steps };
}

/** Of a process's resident memory; 0 when it has ended. */
function highWaterMiB(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${String(pid)}/status`, "utf8"))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

async function resume(build: ReleaseBuild): Promise<void> {
  const aws = await startAws();
  const shared = store();
  const stop = new AbortController();
  const blocks = (dataMiB * MIB) / BLOCK_BYTES;
  const watch = setInterval(() => {
    if (puts(aws) >= blocks / 2) stop.abort();
  }, 1);
  await (await Publishing.start(aws, shared)).publish([build], stop.signal).catch(() => undefined);
  clearInterval(watch);
  const before = puts(aws);
  await (await Publishing.start(aws, shared)).publish([build]);
  const share = (puts(aws) - before) / blocks;
  judge(
    `resumed after ${String(before)} of ${String(blocks)} blocks: sends ${(share * 100).toFixed(1)} % (at most ${String(MOST_RESUMED * 100)})`,
    share <= MOST_RESUMED,
  );
  await aws.close();
}

async function nextVersion(first: ReleaseBuild): Promise<void> {
  const aws = await startAws();
  const shared = store();
  await (await Publishing.start(aws, shared)).publish([first]);
  const whole = puts(aws);
  await (
    await Publishing.start(aws, shared)
  ).publish([await makeBuild("next", { version: "2.0", virtualMiB: dataMiB + 128, from: first })]);
  const share = (puts(aws) - whole) / whole;
  judge(
    `next version, an eighth of it new: sends ${(share * 100).toFixed(1)} % of the bytes (at most ${String(MOST_DELTA * 100)})`,
    share <= MOST_DELTA,
  );
  await aws.close();
}

async function nothingNew(build: ReleaseBuild): Promise<void> {
  await withServer(async (env) => {
    const shared = store();
    await publishInChild(env, build, shared);
    const { seconds, steps } = await publishInChild(env, build, shared);
    judge(
      `20 regions with nothing new: ${seconds.toFixed(1)} s, start of the process included (at most ${String(MOST_IDLE_S)})`,
      steps === 0 && seconds <= MOST_IDLE_S,
    );
  });
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function judge(line: string, isGood: boolean): void {
  print(`${line}${isGood ? "" : "  MISSED"}`);
  if (!isGood) process.exitCode = 1;
}
