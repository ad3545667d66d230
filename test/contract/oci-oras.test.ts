import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256 } from "../../src/core/digest.ts";
import { runProgram } from "../../src/host/program.ts";
import type { WrittenImage } from "../../src/oci/image.ts";
import { scratchFolder } from "../src/oci/small-image.ts";
import { writeContainerDisk } from "./oci-tools.ts";
import { oras } from "./oras.ts";

describe("oras on a container disk", function () {
  this.timeout(240_000);
  const { signal } = new AbortController();
  let scratch: Awaited<ReturnType<typeof scratchFolder>>;
  let written: WrittenImage;
  let program: string;

  before(async () => {
    program = await oras(signal);
    scratch = await scratchFolder();
    written = await writeContainerDisk(scratch.path);
  });
  after(() => scratch.remove());

  const run = (...args: readonly string[]): Promise<string> =>
    runProgram([program, ...args], { signal, timeoutMs: 60_000 });

  it("fetches the manifest by its tag, byte for byte", async () => {
    assert.equal(sha256(await run("manifest", "fetch", "--oci-layout", `${written.layout}:v1`)), written.digest);
  });

  it("fetches the config and the layer, checking their digests", async () => {
    for (const { digest } of [written.manifest.config, ...written.layers]) {
      const output = join(scratch.path, digest.slice("sha256:".length));
      await run("blob", "fetch", "--oci-layout", "--output", output, `${written.layout}@${digest}`);
      assert.equal(sha256(await readFile(output)), digest);
    }
  });

  it("lists the tag and picks the image by platform", async () => {
    assert.equal((await run("repo", "tags", "--oci-layout", written.layout)).trim(), "v1");
    const args = ["manifest", "fetch", "--oci-layout", "--platform", "linux/amd64", "--descriptor"];
    const descriptor = JSON.parse(await run(...args, `${written.layout}:v1`)) as Record<string, unknown>;
    assert.equal(descriptor["digest"], written.digest);
  });

  it("copies it into another layout with the same digest", async () => {
    const target = join(scratch.path, "copy");
    await run("cp", "--from-oci-layout", "--to-oci-layout", `${written.layout}:v1`, `${target}:v1`);
    assert.equal(sha256(await run("manifest", "fetch", "--oci-layout", `${target}:v1`)), written.digest);
  });
});
