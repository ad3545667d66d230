import { open } from "node:fs/promises";
import { withDisposal } from "../core/disposal.ts";
import { KvciError, messageOf } from "../core/error.ts";

/** Formats a base may have, as qemu-img calls them. Everything else is refused. */
export type DiskFormat = "qcow2" | "raw" | "vmdk" | "vhdx" | "vdi" | "vpc";

const MAGICS: readonly { readonly format: DiskFormat; readonly at: number; readonly bytes: Buffer }[] = [
  { format: "qcow2", at: 0, bytes: Buffer.from("QFI\xfb", "latin1") },
  { format: "vmdk", at: 0, bytes: Buffer.from("KDMV") },
  { format: "vhdx", at: 0, bytes: Buffer.from("vhdxfile") },
  { format: "vpc", at: 0, bytes: Buffer.from("conectix") },
  { format: "vdi", at: 0x40, bytes: Buffer.from([0x7f, 0x10, 0xda, 0xbe]) },
];

/** Text files that make QEMU open other files, and formats it has given up: never a disk from outside. */
const REFUSED = [
  { name: "a VMDK descriptor, which names other files", magic: Buffer.from("# Disk DescriptorFile") },
  { name: "a QED image", magic: Buffer.from("QED\0") },
];

const HEAD_BYTES = 4096;

/** The first 4 KiB of a file. */
export async function readHead(path: string): Promise<Buffer> {
  try {
    const { buffer, bytesRead } = await withDisposal(await open(path, "r"), (file) =>
      file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0),
    );
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    throw new KvciError("base-failed", `cannot read ${path}: ${messageOf(error)}`, {
      hint: "Check that the file is there and may be read.",
      cause: error,
    });
  }
}

/**
 * A disk image's format by its magic number, raw when it has none. The format is then always given to QEMU, so that what a
 * guest writes at the start of a raw disk can never turn it into something else later.
 *
 * @throws {KvciError} `base-failed` for a kind of file that is never taken.
 */
export function diskFormatOf(head: Buffer): DiskFormat {
  const refused = REFUSED.find(({ magic }) => head.subarray(0, magic.length).equals(magic));
  if (refused) {
    throw new KvciError("base-failed", `the disk image is ${refused.name}`, {
      hint: "Convert it on a machine you trust it on: qemu-img convert -O qcow2 <image> disk.qcow2",
    });
  }
  return MAGICS.find(({ at, bytes }) => head.subarray(at, at + bytes.length).equals(bytes))?.format ?? "raw";
}

/** Bit 2 of a qcow2's incompatible features: its data is in another file. */
const EXTERNAL_DATA_FILE = 0b100;

/**
 * Refuses a qcow2 that reads other files (backing file, external data file): they are not in its digest, and could be any
 * file of this host.
 *
 * @throws {KvciError} `base-failed`
 */
export function checkStandsAlone(head: Buffer, name: string): void {
  if (head.length < 80 || diskFormatOf(head) !== "qcow2") return;
  const hasBacking = head.readBigUInt64BE(8) !== 0n;
  const hasDataFile = head.readUInt32BE(4) >= 3 && (head.readUInt32BE(76) & EXTERNAL_DATA_FILE) !== 0;
  if (!hasBacking && !hasDataFile) return;
  throw new KvciError("base-failed", `${name} needs ${hasBacking ? "a backing file" : "an external data file"}`, {
    hint: "A base stands alone, or its digest says nothing. Make one file of it: qemu-img convert -O qcow2 <image> disk.qcow2",
  });
}
