import { readFile, rm } from "node:fs/promises";
import { KvciError } from "../core/error.ts";
import { runProgram } from "../host/program.ts";
import { filesystemState, HEAD_BYTES } from "./filesystem-state.ts";
import { partitionsOf, SECTOR_BYTES, TABLE_SECTORS } from "./partitions.ts";
import type { DiskContext } from "./qemu-img.ts";

/** One `qemu-img dd` of less than 100 KiB. */
const READ_MS = 60_000;

interface Region {
  readonly offset: number;
  readonly bytes: number;
}

interface Disk {
  readonly path: string;
  /** A file name that may be used. */
  readonly scratch: string;
}

/**
 * Looks at every filesystem of a disk that is no longer in use: was it closed in order?
 *
 * @param disk the qcow2, and a file name that may be used.
 * @throws {KvciError} `disk-unclean` naming the partitions
 */
export async function assertClean(disk: Disk, context: DiskContext): Promise<void> {
  const table = await readRegion(disk, { offset: 0, bytes: TABLE_SECTORS * SECTOR_BYTES }, context);
  const unclean: string[] = [];
  for (const partition of partitionsOf(table)) {
    const bytes = Math.min(HEAD_BYTES, partition.bytes);
    const head = await readRegion(disk, { offset: partition.offset, bytes }, context);
    const { type, state } = filesystemState(head);
    if (state === "unclean") unclean.push(`${type} on partition ${String(partition.number)}`);
  }
  if (unclean.length === 0) return;
  throw new KvciError("disk-unclean", `the guest did not close ${unclean.join(" and ")}`, {
    hint: "It was switched off before it had shut down; the console log shows what held it up.",
  });
}

async function readRegion({ path, scratch }: Disk, region: Region, { signal }: DiskContext): Promise<Buffer> {
  const [skip, count] = [region.offset, region.bytes].map((bytes) => Math.floor(bytes / SECTOR_BYTES));
  // qemu-img counts `count` from the start of the input, skipped blocks included.
  const blocks = [`bs=${String(SECTOR_BYTES)}`, `skip=${String(skip)}`, `count=${String((skip ?? 0) + (count ?? 0))}`];
  await runProgram(["qemu-img", "dd", "-f", "qcow2", "-O", "raw", `if=${path}`, `of=${scratch}`, ...blocks], {
    signal,
    timeoutMs: READ_MS,
  });
  try {
    return await readFile(scratch);
  } finally {
    await rm(scratch, { force: true });
  }
}
