import { partitionsOf, SECTOR_BYTES, TABLE_SECTORS } from "../../src/disk/partitions.ts";
import { silentJournal } from "../../src/core/journal.ts";
import type { ReleaseBuild } from "../../src/publish/publisher.ts";
import type { Finding, PreflightPorts } from "./preflight-request.ts";

/** Type of an EFI system partition in a GPT: C12A7328-F81F-11D2-BA4B-00A0C93EC93B, as it is stored; and in an MBR. */
const ESP = Buffer.from("28732ac11ff8d211ba4b00a0c93ec93b", "hex");
const ESP_IN_MBR = 0xef;

/** Whether the disk's partitions fit the firmware that the image asks for: an image that cannot boot costs hours to find out. */
export async function bootFinding(
  { template, arch, firmware, diskPath }: ReleaseBuild,
  { home, ports, signal }: { readonly home: string; readonly ports: PreflightPorts; readonly signal: AbortSignal },
): Promise<Finding> {
  const found = { place: home, check: `partitions of ${template} ${arch}` };
  const table = await firstSectors(ports.readDisk(diskPath, { signal, journal: silentJournal }));
  const wrong = firmware === "uefi" ? uefiFault(table) : biosFault(table);
  if (wrong === undefined) return { ...found, level: "ok", detail: `fit ${firmware}` };
  return { ...found, level: "warning", detail: wrong, hint: "Look at the disk with `kvci-build inspect`." };
}

async function firstSectors(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const wanted = TABLE_SECTORS * SECTOR_BYTES;
  let table = Buffer.alloc(0);
  for await (const piece of pieces) {
    table = Buffer.concat([table, piece.subarray(0, wanted - table.length)]);
    if (table.length >= wanted) break;
  }
  return Buffer.concat([table], wanted);
}

function uefiFault(table: Buffer): string | undefined {
  const inMbr = [0, 1, 2, 3].some((index) => table[446 + index * 16 + 4] === ESP_IN_MBR);
  return table.includes(ESP) || inMbr ? undefined : "no EFI system partition, and the image boots by UEFI";
}

function biosFault(table: Buffer): string | undefined {
  if (table.readUInt16LE(510) !== 0xaa55) return "no boot sector, and the image boots by BIOS";
  return partitionsOf(table).length === 0 ? "no partition table" : undefined;
}
