/** Wraps one disk, in a process of its own, and prints the peak of its memory in bytes: `node wrap-once.ts DISK LAYOUT`. */
import { containerDisk } from "../../src/oci/container-disk.ts";
import { writeImage } from "../../src/oci/image.ts";

const [path = "", layout = ""] = process.argv.slice(2);
await writeImage(layout, containerDisk({ disk: { path, format: "qcow2" }, platform: { os: "linux", arch: "amd64" } }));
// maxRSS is in KiB.
process.stdout.write(String(process.resourceUsage().maxRSS * 1024));
