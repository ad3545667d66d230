import { randomFillSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256 } from "../../src/core/digest.ts";
import { containerDisk } from "../../src/oci/container-disk.ts";
import { writeImage, type WrittenImage } from "../../src/oci/image.ts";
import { imageLabels } from "../../src/oci/labels.ts";

export const LABELS = imageLabels({
  template: "contract",
  planId: sha256("plan"),
  baseDigest: sha256("base"),
  baseName: "debian-12-amd64",
  virtualBytes: 1024 ** 3,
  createdBy: "kvci-build test",
});

/** A container disk of 3 MiB in `folder/image`, tagged `v1`. */
export async function writeContainerDisk(folder: string): Promise<WrittenImage & { readonly disk: string }> {
  const disk = join(folder, "disk.qcow2");
  await writeFile(disk, randomFillSync(Buffer.alloc(3 * 1024 * 1024 + 77)));
  const platform = { os: "linux", arch: "amd64" };
  const image = containerDisk({ disk: { path: disk, format: "qcow2" }, platform, ...LABELS, ref: "v1" });
  return { ...(await writeImage(join(folder, "image"), image)), disk };
}
