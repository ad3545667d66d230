import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { scratchFolder } from "../src/oci/small-image.ts";

const WRAP_ONCE = fileURLToPath(new URL("../bench/wrap-once.ts", import.meta.url));
const MIB = 1024 * 1024;

describe("image writer's memory", () => {
  it("stays below 250 MiB for a disk of 1 GiB", async function () {
    this.timeout(60_000);
    const scratch = await scratchFolder();
    try {
      const disk = join(scratch.path, "disk");
      await writeFile(disk, "");
      await truncate(disk, 1024 * MIB);
      const { stdout } = await promisify(execFile)(process.execPath, [WRAP_ONCE, disk, join(scratch.path, "image")]);
      assert.ok(Number(stdout) > MIB && Number(stdout) < 250 * MIB, `${String(Number(stdout) / MIB)} MiB`);
    } finally {
      await scratch.remove();
    }
  });
});
