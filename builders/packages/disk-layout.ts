import { createHash } from "node:crypto";
import type { Arch } from "../../src/core/platform.ts";

export const SECTOR_BYTES = 512;
const MIB = 1024 ** 2;

/** First partition's start, as every partitioning tool aligns it. */
const FIRST_MIB = 1;
/** Room for two kernels with their initrds, and enough clusters to be FAT32 beyond doubt. */
export const ESP_MIB = 256;
/** Room at the end for GPT's second table. */
export const TAIL_MIB = 1;

/** Type GUIDs of the Discoverable Partitions Specification (https://uapi-group.org/specifications/specs/discoverable_partitions_specification/). */
const ESP_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
const ROOT_TYPE: Readonly<Record<Arch, string>> = {
  amd64: "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
  arm64: "B921B045-1DF0-41C3-AF44-4C6F280D3FAE",
  s390x: "5EEAD9A9-FE09-4A1E-A1D7-520D00531306",
};

/** Every identifier on a disk; made from its key, so that the same spec always has the same. */
export interface DiskIdentifiers {
  readonly disk: string;
  readonly esp: string;
  readonly root: string;
  readonly rootFilesystem: string;
  readonly hashSeed: string;
  /** FAT volume id: 8 hexadecimal digits. */
  readonly espVolume: string;
}

export function identifiersOf(key: string): DiskIdentifiers {
  const uuid = (purpose: string): string => customUuid(createHash("sha256").update(`${key} ${purpose}`).digest("hex"));
  return {
    disk: uuid("disk"),
    esp: uuid("esp partition"),
    root: uuid("root partition"),
    rootFilesystem: uuid("root filesystem"),
    hashSeed: uuid("directory hash seed"),
    espVolume: createHash("sha256").update(`${key} esp volume`).digest("hex").slice(0, 8),
  };
}

/** A UUID of version 8 (RFC 9562: vendor's own scheme) from the first digits of a hash. */
function customUuid(hex: string): string {
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join("-");
}

/** Whether the disk starts by UEFI; s390x has no such firmware and so no ESP. */
export function hasEsp(arch: Arch): boolean {
  return arch !== "s390x";
}

/** Number of the root partition, always the last on the disk, so that it can grow. */
export function rootPartition(arch: Arch): number {
  return hasEsp(arch) ? 2 : 1;
}

/** Offset of the ESP on the disk, in bytes. */
export const ESP_OFFSET_BYTES = FIRST_MIB * MIB;

/** Where the root partition starts, in MiB. */
export function rootStartMiB(arch: Arch): number {
  return hasEsp(arch) ? FIRST_MIB + ESP_MIB : FIRST_MIB;
}

/** sfdisk's input for a disk whose root filesystem has `rootMiB`. */
export function sfdiskScript(arch: Arch, ids: DiskIdentifiers, rootMiB: number): string {
  const esp = { startMiB: FIRST_MIB, sizeMiB: ESP_MIB, type: ESP_TYPE, uuid: ids.esp, name: "esp" };
  const root = { startMiB: rootStartMiB(arch), sizeMiB: rootMiB, type: ROOT_TYPE[arch], uuid: ids.root, name: "root" };
  const header = ["label: gpt", `label-id: ${ids.disk}`, "unit: sectors", ""];
  return [...header, ...(hasEsp(arch) ? [esp, root] : [root]).map(partitionLine), ""].join("\n");
}

function partitionLine(part: { startMiB: number; sizeMiB: number; type: string; uuid: string; name: string }): string {
  const sectors = (mib: number): string => String((mib * MIB) / SECTOR_BYTES);
  return `start=${sectors(part.startMiB)}, size=${sectors(part.sizeMiB)}, type=${part.type}, uuid=${part.uuid}, name="${part.name}"`;
}
