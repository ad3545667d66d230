import assert from "node:assert/strict";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { runProgram } from "../../src/host/program.ts";
import { fileSource } from "../../src/oci/byte-source.ts";
import { encodeHeader, TAR_END_BYTES, type TarEntry } from "../../src/oci/tar-header.ts";
import { listTar } from "../../src/oci/tar-list.ts";
import { scratchFolder } from "../src/oci/small-image.ts";
import { writeContainerDisk } from "./oci-tools.ts";

const tar = (...args: readonly string[]): Promise<string> =>
  runProgram(["tar", ...args], {
    signal: new AbortController().signal,
    timeoutMs: 60_000,
    env: { TZ: "UTC", LC_ALL: "C" },
  });

describe("GNU tar on a layer", function () {
  this.timeout(60_000);
  let scratch: Awaited<ReturnType<typeof scratchFolder>>;

  beforeEach(async () => (scratch = await scratchFolder()));
  afterEach(() => scratch.remove());

  it("lists the disk with KubeVirt's owner and mode, and the same bytes", async () => {
    const { layout, layers, disk } = await writeContainerDisk(scratch.path);
    const blob = join(layout, "blobs", "sha256", layers[0]?.digest.slice("sha256:".length) ?? "");
    assert.deepEqual((await tar("-tvf", blob)).trim().split("\n"), [
      "dr-xr-xr-x 107/107           0 1970-01-01 00:00 disk/",
      "-r--r----- 107/107     3145805 1970-01-01 00:00 disk/disk.qcow2",
    ]);
    await tar("-xf", blob, "-C", scratch.path, "--no-same-owner", "--mode=u+w", "--transform=s,^disk,out,");
    const options = { signal: new AbortController().signal, timeoutMs: 60_000 };
    await runProgram(["cmp", disk, join(scratch.path, "out", "disk.qcow2")], options);
  });

  it("agrees about a file of 9 GiB and one with a long name", async () => {
    const sizeBytes = 9 * 1024 ** 3;
    const path = join(scratch.path, "big.tar");
    const entry: TarEntry = { path: "big", type: "file", sizeBytes, mode: 0o440, uid: 107, gid: 107, mtimeSeconds: 0 };
    const first = encodeHeader(entry);
    const second = encodeHeader({ ...entry, path: `${"ä".repeat(150)}/x`, sizeBytes: 0 });
    // The content is a hole: nothing is written and both readers pass over it.
    const handle = await open(path, "w+");
    await handle.write(first, 0, first.byteLength, 0);
    await handle.write(second, 0, second.byteLength, first.byteLength + sizeBytes);
    const total = first.byteLength + sizeBytes + second.byteLength + TAR_END_BYTES;
    await handle.truncate(total);
    const { files, problems } = await listTar(fileSource(handle, total));
    await handle.close();
    assert.deepEqual(problems, []);
    const seen = (await tar("--quoting-style=literal", "-tvf", path))
      .trim()
      .split("\n")
      .map((line) => line.split(/\s+/));
    assert.deepEqual(
      seen.map((fields) => [fields[5], Number(fields[2]), fields[1]]),
      files.map((file) => [file.path, file.sizeBytes, `${String(file.uid)}/${String(file.gid)}`]),
    );
  });
});
