/**
 * A disk's way into a bucket: our stream, against the usual way (qemu-img convert, tar, gzip, a file on disk, then an upload by Google's
 * own client). Both to the same counterpart on loopback, in one run. Run: `node test/bench/publish-gcp.ts`
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Storage } from "@google-cloud/storage";
import { gcpPublisher } from "../../publishers/gcp/gcp-publisher.ts";
import { sha256 } from "../../src/core/digest.ts";
import { silentJournal } from "../../src/core/journal.ts";
import { rawDisk } from "../../src/disk/raw-disk.ts";
import { runProgram } from "../../src/host/program.ts";
import { contentDigest } from "../../src/publish/content-digest.ts";
import type { PublishContext } from "../../src/publish/publisher.ts";
import { gcpTarget } from "../publishers/gcp/gcp-target.ts";
import { releaseBuild } from "../src/publish/release-build.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const VIRTUAL_GIB = 8;
const LIMIT_MIB = 250;
const { signal } = new AbortController();
const run = (argv: readonly [string, ...string[]]) => runProgram(argv, { signal, timeoutMs: 1_800_000 });

const folder = mkdtempSync(join(tmpdir(), "kvci-bench-gcp-"));
const qcow2 = join(folder, "disk.qcow2");
const store = join(folder, "store");
const server = spawn(process.execPath, [join(import.meta.dirname, "../counterparts/gcp/serve.ts")], {
  stdio: ["ignore", "pipe", "inherit"],
});
try {
  const [line] = (await once(server.stdout, "data")) as [Buffer];
  const env = JSON.parse(line.toString()) as Record<string, string>;
  process.env["GOOGLE_APPLICATION_CREDENTIALS"] = env["GOOGLE_APPLICATION_CREDENTIALS"];
  await makeDisk();
  report(await ours(env), await usual(env));
} finally {
  server.kill();
  await once(server, "close");
  rmSync(folder, { recursive: true, force: true });
}

/** 500 MiB that do not compress, 500 MiB that do, 7 GiB of nothing: about what an image with containers in it is. */
async function makeDisk(): Promise<void> {
  const noise = join(folder, "noise");
  await run([
    "sh",
    "-ec",
    'head -c 500M /dev/urandom > "$1"; tar -cf - -C / usr/lib usr/share 2>/dev/null | head -c 500M > "$1.text" || :',
    "sh",
    noise,
  ]);
  await run(["qemu-img", "create", "-q", "-f", "qcow2", qcow2, `${VIRTUAL_GIB}G`]);
  const writes = [`write -q -s ${noise} 64M 500M`, `write -q -s ${noise}.text 3G 500M`].flatMap((command) => [
    "-c",
    command,
  ]);
  await run(["qemu-io", "-f", "qcow2", ...writes, qcow2]);
  await run(["rm", noise, `${noise}.text`]);
}

interface Figures {
  readonly seconds: number;
  readonly sentBytes: number;
  /** Beside the disk itself. */
  readonly onDiskBytes: number;
}

async function ours(env: Record<string, string>): Promise<Figures> {
  const content = await contentDigest({ storeRoot: store, file: sha256(qcow2) }, () => rawDisk(qcow2, { signal }));
  const build = releaseBuild({ diskPath: qcow2, virtualBytes: VIRTUAL_GIB * GIB, content });
  const publisher = await gcpPublisher(gcpTarget(), { env, storeRoot: store, now: () => Date.now() });
  const [upload] = publisher.diff([build], await publisher.observe([build], signal));
  if (upload?.kind !== "upload-tarball") throw new TypeError("the first step is no upload");
  const context: PublishContext = {
    journal: silentJournal,
    signal,
    results: new Map(),
    remember: () => Promise.resolve(),
    recall: () => undefined,
  };
  const begun = performance.now();
  const result = await publisher.run(upload, context);
  return { seconds: (performance.now() - begun) / 1000, sentBytes: Number(result["bytes"]), onDiskBytes: 0 };
}

async function usual(env: Record<string, string>): Promise<Figures> {
  const begun = performance.now();
  const raw = join(folder, "disk.raw");
  const archive = join(folder, "disk.tar.gz");
  await run(["qemu-img", "convert", "-q", "-O", "raw", qcow2, raw]);
  await run(["tar", "--format=oldgnu", "--sparse", "-czf", archive, "-C", folder, "disk.raw"]);
  const { origin } = new URL(env["CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE"] ?? "");
  const storage = new Storage({ apiEndpoint: origin, projectId: "kvci-project", useAuthWithCustomEndpoint: true });
  // Their way of one call (storage 8.4) forgets who it is at any other address than Google's.
  const [uri] = await storage.bucket("kvci-bucket").file("usual.tar.gz").createResumableUpload();
  const options = { destination: "usual.tar.gz", resumable: true, chunkSize: 8 * MIB, validation: "crc32c" } as const;
  await storage.bucket("kvci-bucket").upload(archive, { ...options, uri });
  const seconds = (performance.now() - begun) / 1000;
  const sentBytes = statSync(archive).size;
  return { seconds, sentBytes, onDiskBytes: sentBytes + statSync(raw).blocks * 512 };
}

function report(stream: Figures, file: Figures): void {
  const row = (name: string, { seconds, sentBytes, onDiskBytes }: Figures): string =>
    `${name.padEnd(28)} ${seconds.toFixed(1).padStart(7)} s  ${mib(sentBytes)} sent  ${mib(onDiskBytes)} on disk`;
  const peak = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? Number.NaN) / 1024;
  process.stdout.write(
    [
      row("stream", stream),
      row("convert, tar, gzip, upload", file),
      `time: ${(stream.seconds / file.seconds).toFixed(2)} of the usual way (at most 1.00)`,
      `bytes sent: ${(stream.sentBytes / file.sentBytes).toFixed(3)} of the usual way (at most 1.02)`,
      `peak memory, both clients in one process: ${peak.toFixed(0)} MiB (the publisher alone: at most ${LIMIT_MIB}, see test/contract)`,
      "",
    ].join("\n"),
  );
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(0).padStart(6)} MiB`;
}
