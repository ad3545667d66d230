import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256 } from "../../src/core/digest.ts";
import { runProgram } from "../../src/host/program.ts";
import { writeImage, type WrittenImage } from "../../src/oci/image.ts";
import { scratchFolder, smallImage } from "../src/oci/small-image.ts";
import { LABELS, writeContainerDisk } from "./oci-tools.ts";

/** skopeo insists on a policy file on the host unless told not to; nothing here is signed. */
const skopeo = (...args: readonly string[]): Promise<string> =>
  runProgram(["skopeo", "--insecure-policy", ...args], { signal: new AbortController().signal, timeoutMs: 60_000 });

describe("skopeo on a container disk", function () {
  this.timeout(60_000);
  let scratch: Awaited<ReturnType<typeof scratchFolder>>;
  let written: WrittenImage;

  before(async () => {
    scratch = await scratchFolder();
    written = await writeContainerDisk(scratch.path);
  });
  after(() => scratch.remove());

  for (const reference of ["", ":v1"]) {
    it(`inspects oci:DIR${reference} and sees digest, platform, labels and layer`, async () => {
      const seen = JSON.parse(await skopeo("inspect", `oci:${written.layout}${reference}`)) as Record<string, unknown>;
      assert.deepEqual(
        {
          digest: seen["Digest"],
          arch: seen["Architecture"],
          os: seen["Os"],
          labels: seen["Labels"],
          layers: seen["Layers"],
        },
        {
          digest: written.digest,
          arch: "amd64",
          os: "linux",
          labels: LABELS.labels,
          layers: written.layers.map(({ digest }) => digest),
        },
      );
    });
  }

  it("reads the same config and manifest", async () => {
    const manifest = await skopeo("inspect", "--raw", `oci:${written.layout}`);
    assert.equal(sha256(manifest), written.digest);
    const config = JSON.parse(await skopeo("inspect", "--config", `oci:${written.layout}`)) as Record<string, unknown>;
    assert.deepEqual(config["rootfs"], { type: "layers", diff_ids: written.layers.map(({ digest }) => digest) });
    assert.deepEqual(config["config"], { Labels: LABELS.labels });
  });

  it("copies it, verifying every blob, without changing the manifest", async () => {
    const target = join(scratch.path, "copy");
    await skopeo("copy", "--preserve-digests", `oci:${written.layout}:v1`, `dir:${target}`);
    assert.equal(sha256(await readFile(join(target, "manifest.json"))), written.digest);
    for (const { digest } of [written.manifest.config, ...written.layers]) {
      assert.equal(sha256(await readFile(join(target, digest.slice("sha256:".length)))), digest);
    }
  });

  it("reads an image of several layers", async () => {
    const image = await writeImage(join(scratch.path, "several"), await smallImage(scratch.path));
    const seen = JSON.parse(await skopeo("inspect", `oci:${image.layout}:latest`)) as Record<string, unknown>;
    assert.deepEqual([seen["Digest"], (seen["Layers"] as unknown[]).length], [image.digest, 2]);
  });
});
