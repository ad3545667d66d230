import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import type { Digest } from "../../src/core/digest.ts";
import { KvciError } from "../../src/core/error.ts";
import { writing } from "../../src/core/file-system-error.ts";
import { writeFileAtomic } from "../../src/store/atomic.ts";
import { dataExtents, EXTENT_UNIT_BYTES, type Extent } from "./data-extents.ts";
import { packing } from "./tarball.ts";

const unit = z.int().min(0).multipleOf(EXTENT_UNIT_BYTES);
const record = z.object({
  extents: z.array(z.object({ offset: unit, bytes: unit })),
  /** Known once the whole tarball was made. */
  crc32c: z.string().optional(),
  bytes: z.int().optional(),
});

/** What was found out about a disk's tarball; reading and packing it takes minutes, so it is kept. */
export type PackedDisk = Readonly<z.output<typeof record>>;

/** A digest and a size that an object must have. */
export interface Checksum {
  readonly crc32c: string;
  readonly bytes: number;
}

/** @throws {KvciError} `publish-integrity` for a disk that holds nothing. */
export async function extentsOf(
  { storeRoot, content }: { readonly storeRoot: string; readonly content: Digest },
  read: () => AsyncIterable<Uint8Array>,
): Promise<readonly Extent[]> {
  const known = await packedDisk(storeRoot, content);
  if (known) return known.extents;
  const extents = await dataExtents(read());
  if (extents.length === 0) {
    throw new KvciError("publish-integrity", "the disk holds nothing but zeros", {
      hint: "Look at the disk with `kvci-build inspect`; such an image could not boot.",
    });
  }
  await keepPacked({ storeRoot, content }, { extents: [...extents] });
  return extents;
}

/** The tarball's checksum, if it was ever made here. */
export async function knownChecksum(storeRoot: string, content: Digest): Promise<Checksum | undefined> {
  const { crc32c, bytes } = (await packedDisk(storeRoot, content)) ?? {};
  return crc32c === undefined || bytes === undefined ? undefined : { crc32c, bytes };
}

export async function keepChecksum(
  place: { readonly storeRoot: string; readonly content: Digest },
  { crc32c, bytes }: Checksum,
): Promise<void> {
  const known = await packedDisk(place.storeRoot, place.content);
  if (known && known.crc32c !== crc32c) await keepPacked(place, { ...known, crc32c, bytes });
}

async function packedDisk(storeRoot: string, content: Digest): Promise<PackedDisk | undefined> {
  try {
    return record.parse(JSON.parse(await readFile(pathOf(storeRoot, content), "utf8")));
  } catch {
    return undefined;
  }
}

async function keepPacked(
  { storeRoot, content }: { readonly storeRoot: string; readonly content: Digest },
  packed: PackedDisk,
): Promise<void> {
  const path = pathOf(storeRoot, content);
  await writing(path, async () => {
    await mkdir(dirname(path), { recursive: true });
    await writeFileAtomic(path, `${JSON.stringify(packed)}\n`);
  });
}

function pathOf(storeRoot: string, content: Digest): string {
  return join(storeRoot, "publish", "gcp", `${content.replace(":", "-")}-${packing()}.json`);
}
