import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { KvciError } from "../../src/core/error.ts";
import { runProgram } from "../../src/host/program.ts";
import { containerDisk } from "../../src/oci/container-disk.ts";
import { writeImage, type WrittenImage } from "../../src/oci/image.ts";
import { readLayout } from "../../src/oci/read-layout.ts";
import { filesBelow, scratchFolder } from "../src/oci/small-image.ts";

const WRAP_ONCE = fileURLToPath(new URL("../bench/wrap-once.ts", import.meta.url));
const MIB = 1024 * 1024;

describe("image writer in trouble", function () {
  this.timeout(120_000);
  let scratch: Awaited<ReturnType<typeof scratchFolder>>;
  let disk: string;
  let layout: string;

  beforeEach(async () => {
    scratch = await scratchFolder();
    disk = join(scratch.path, "disk.qcow2");
    layout = join(scratch.path, "image");
    await writeFile(disk, "not all zeros");
  });
  afterEach(() => scratch.remove());

  const wrapInto = (folder: string): Promise<WrittenImage> =>
    writeImage(
      folder,
      containerDisk({ disk: { path: disk, format: "qcow2" }, platform: { os: "linux", arch: "amd64" } }),
    );

  it("leaves nothing readable when it is killed, and the next one succeeds as if nothing had been", async () => {
    await truncate(disk, 512 * MIB);
    const blobs = join(layout, "blobs", "sha256");
    const child = spawn(process.execPath, [WRAP_ONCE, disk, layout], { stdio: "ignore" });
    const ended = new Promise<NodeJS.Signals | null>((resolve) => child.on("exit", (_code, signal) => resolve(signal)));
    while (!existsSync(blobs) || (await readdir(blobs)).length === 0) await sleep(2);
    child.kill("SIGKILL");
    assert.equal(await ended, "SIGKILL");
    assert.deepEqual(await readdir(blobs), [`.tmp-${String(child.pid)}`]);
    await assert.rejects(readLayout(layout), { code: "layout-invalid", message: /index\.json: is missing/ });

    await truncate(disk, 2 * MIB); // the same disk twice is what counts here, not how big it is
    const again = await wrapInto(layout);
    assert.equal(again.digest, (await wrapInto(join(scratch.path, "fresh"))).digest);
    assert.equal((await filesBelow(layout)).size, 5);
  });

  it("says store-full on a full filesystem, cleans up, and succeeds when there is space", async () => {
    await truncate(disk, 20 * MIB);
    const full = join(scratch.path, "full");
    const script = `set -eu
      mkdir "$1"; mount -t tmpfs -o size=8m none "$1"
      if "$2" "$3" "$4" "$1/image"; then exit 9; fi
      (cd "$1/image" && find . -type f)
      mount -o remount,size=64m "$1"
      "$2" "$3" "$4" "$1/image" > "$1/peak"`;
    const seen: string[] = [];
    // A mount namespace of its own: the mount is gone with the shell, and no root is needed.
    const argv = ["unshare", "-Urm", "sh", "-c", script, "sh", full, process.execPath, WRAP_ONCE, disk] as const;
    const stdout = await runProgram(argv, {
      signal: new AbortController().signal,
      timeoutMs: 60_000,
      onOutput: (_stream, text) => seen.push(text),
    }).catch((error: unknown) => {
      assert.ok(error instanceof KvciError);
      return assert.fail([error.message, ...error.evidence].join("\n"));
    });
    assert.match(seen.join(""), /store-full/);
    assert.equal(stdout, "./oci-layout\n");
  });
});
