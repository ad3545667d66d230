import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readFile, copyFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import type { PackagesBase } from "../../src/core/base.ts";
import type { Digest } from "../../src/core/digest.ts";
import type { Arch } from "../../src/core/platform.ts";
import { espFiles, type EspFile } from "./boot-files.ts";
import { FILESYSTEM_EPOCH } from "./customize-script.ts";
import { ESP_MIB, ESP_OFFSET_BYTES, SECTOR_BYTES, sfdiskScript, type DiskIdentifiers } from "./disk-layout.ts";

/** Runs a host program in the exchange folder. */
export type Run = (argv: readonly [string, ...string[]], options?: { readonly stdin?: string }) => Promise<string>;

export interface DiskRequest {
  readonly spec: PackagesBase;
  readonly arch: Arch;
  readonly ids: DiskIdentifiers;
  /** The exchange folder, with what customize.sh wrote. */
  readonly exchange: string;
  readonly run: Run;
}

/** Puts partition table and ESP around the root filesystem that customize.sh made in disk.raw. */
export async function finishDisk({ spec, arch, ids, exchange, run }: DiskRequest): Promise<void> {
  const rootMiB = Number(await readLine(exchange, "root-mib"));
  // Signatures stay: one of them is our root filesystem's.
  await run(["sfdisk", "--quiet", "--wipe=never", "--wipe-partitions=never", "disk.raw"], {
    stdin: sfdiskScript(arch, ids, rootMiB),
  });
  const files = espFiles(spec, arch, await readLine(exchange, "kernel-version"));
  if (files.length > 0) await makeEsp({ files, ids, exchange, run });
}

async function makeEsp(request: {
  files: readonly EspFile[];
  ids: DiskIdentifiers;
  exchange: string;
  run: Run;
}): Promise<void> {
  const { files, ids, exchange, run } = request;
  for (const { path: name, content } of files) {
    const target = path.join(exchange, "esp", name);
    await mkdir(path.dirname(target), { recursive: true });
    if ("text" in content) await writeFile(target, content.text);
    else await copyFile(path.join(exchange, content.file), target);
  }
  const sectors = String(ESP_OFFSET_BYTES / SECTOR_BYTES);
  // Clusters of one sector make FAT32 of a volume this small, in every firmware's eyes.
  const format = ["-F", "32", "-s", "1", "-n", "ESP", "--invariant", "-i", ids.espVolume, "-h", sectors] as const;
  await run(["mkfs.vfat", ...format, "-C", "esp.img", String(ESP_MIB * 1024)]);
  const tops = [...new Set(files.map(({ path: name }) => name.split("/", 1)[0] ?? ""))].sort();
  // mtools stamps files with this time instead of the current one.
  const epoch = `SOURCE_DATE_EPOCH=${String(FILESYSTEM_EPOCH)}`;
  await run(["env", epoch, "mcopy", "-s", "-Q", "-i", "esp.img", ...tops.map((top) => `esp/${top}`), "::/"]);
  await run([
    "dd",
    "if=esp.img",
    "of=disk.raw",
    `bs=${String(ESP_OFFSET_BYTES)}`,
    "seek=1",
    "conv=notrunc,sparse",
    "status=none",
  ]);
}

/** Writes disk.raw as qcow2: uncompressed, because every build reads through it. Without -W, its bytes follow from the content. */
export async function convertDisk(run: Run, target: string): Promise<void> {
  await run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-m", "16", "disk.raw", target]);
}

/** First line of a small file of the exchange folder. */
export async function readLine(folder: string, name: string): Promise<string> {
  return (await readFile(path.join(folder, name), "utf8")).split("\n", 1)[0]?.trim() ?? "";
}

/** Flushes a file to the disk and digests it. */
export async function flushAndDigest(file: string): Promise<Digest> {
  const handle = await open(file, "r+");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  const hash = createHash("sha256");
  await pipeline(createReadStream(file, { highWaterMark: 1024 * 1024 }), hash);
  return `sha256:${hash.digest("hex")}`;
}
