import type { DiskImage } from "../core/disk-image.ts";
import type { ImageDescription } from "./image.ts";

/** KubeVirt's QEMU runs as this user and group, and changes neither owner nor mode of a disk it finds in an image. */
export const QEMU_ID = 107;

/**
 * The image KubeVirt boots from: nothing but the disk, in `/disk`. Owner and mode are those of KubeVirt's user guide
 * ("containerDisk Workflow Example": `--chown=107:107`, `chmod 0440`); the folder is 0555, as KubeVirt's own
 * containerdisks have it. See docs/container-disk.md.
 */
export function containerDisk(
  input: { readonly disk: Pick<DiskImage, "path" | "format"> } & Omit<ImageDescription, "layers" | "config"> & {
      readonly labels?: Readonly<Record<string, string>> | undefined;
    },
): ImageDescription {
  const { disk, labels, ...rest } = input;
  const owner = { uid: QEMU_ID, gid: QEMU_ID };
  const path = disk.format === "qcow2" ? "disk/disk.qcow2" : "disk/disk.img";
  return {
    ...rest,
    config: { labels },
    layers: [
      {
        directories: [{ path: "disk", mode: 0o555, ...owner }],
        files: [{ path, from: disk.path, mode: 0o440, ...owner }],
      },
    ],
  };
}
