import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ImageDescription } from "../../../src/oci/image.ts";

/** A folder of the test's own; `remove` after each test. */
export async function scratchFolder(): Promise<{ readonly path: string; readonly remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "kvci-oci-test-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** An image of two layers and three files, one of them from the host. */
export async function smallImage(folder: string): Promise<ImageDescription> {
  const from = join(folder, "host-file");
  await writeFile(from, Buffer.alloc(1500, "disk"));
  return {
    platform: { os: "linux", arch: "amd64" },
    layers: [
      { files: [{ path: "disk/disk.qcow2", from, mode: 0o440, uid: 107, gid: 107 }] },
      {
        files: [
          { path: "etc/motd", content: "hello\n", mode: 0o644, uid: 0, gid: 0 },
          { path: "etc/empty", content: "", mode: 0o600, uid: 1, gid: 2 },
        ],
        annotations: { purpose: "test" },
      },
    ],
    config: { labels: { colour: "blue" }, entrypoint: ["/run"] },
    annotations: { "org.opencontainers.image.title": "small" },
    ref: "latest",
  };
}

/** Every file below a folder, by its path in it. */
export async function filesBelow(folder: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(folder.length + 1), await readFile(path));
  }
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
}
