import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256 } from "../../../src/core/digest.ts";
import { writeImage, type ImageDescription } from "../../../src/oci/image.ts";
import { readLayout } from "../../../src/oci/read-layout.ts";
import { filesBelow, scratchFolder, smallImage } from "./small-image.ts";

describe("image writer", () => {
  let scratch: Awaited<ReturnType<typeof scratchFolder>>;
  let layout: string;
  let image: ImageDescription;

  beforeEach(async () => {
    scratch = await scratchFolder();
    layout = join(scratch.path, "image");
    image = await smallImage(scratch.path);
  });
  afterEach(() => scratch.remove());

  const json = async (file: string): Promise<Record<string, unknown>> =>
    JSON.parse(await readFile(join(layout, file), "utf8")) as Record<string, unknown>;
  const blobOf = (digest: string): string => join("blobs", "sha256", digest.slice("sha256:".length));

  it("writes a layout of exactly index, oci-layout, and one blob each for layers, config and manifest", async () => {
    const written = await writeImage(layout, image);
    const blobs = [written.digest, written.manifest.config.digest, ...written.layers.map(({ digest }) => digest)];
    const files = await filesBelow(layout);
    assert.deepEqual([...files.keys()], [...blobs.map(blobOf), "index.json", "oci-layout"].sort());
    assert.deepEqual(await json("oci-layout"), { imageLayoutVersion: "1.0.0" });
  });

  it("names every blob by the digest of its bytes", async () => {
    await writeImage(layout, image);
    for (const [file, bytes] of await filesBelow(layout)) {
      if (file.startsWith("blobs/")) assert.equal(file, blobOf(sha256(bytes)));
    }
  });

  it("describes the image in the index with platform and reference name", async () => {
    const written = await writeImage(layout, image);
    assert.deepEqual(await json("index.json"), {
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.index.v1+json",
      manifests: [
        {
          mediaType: "application/vnd.oci.image.manifest.v1+json",
          digest: written.digest,
          size: (await stat(join(layout, blobOf(written.digest)))).size,
          platform: { os: "linux", architecture: "amd64" },
          annotations: { "org.opencontainers.image.ref.name": "latest" },
        },
      ],
    });
  });

  it("puts labels, entry point and diff ids into the config", async () => {
    const written = await writeImage(layout, image);
    assert.deepEqual(await json(blobOf(written.manifest.config.digest)), {
      os: "linux",
      architecture: "amd64",
      created: "1970-01-01T00:00:00Z",
      config: { Labels: { colour: "blue" }, Entrypoint: ["/run"] },
      rootfs: { type: "layers", diff_ids: written.layers.map(({ digest }) => digest) },
      history: [
        { created: "1970-01-01T00:00:00Z", created_by: "kvci-build" },
        { created: "1970-01-01T00:00:00Z", created_by: "kvci-build" },
      ],
    });
  });

  it("keeps layers uncompressed, in order, with their annotations", async () => {
    const { manifest } = await writeImage(layout, image);
    assert.deepEqual(
      manifest.layers.map(({ mediaType, annotations }) => ({ mediaType, annotations })),
      [
        { mediaType: "application/vnd.oci.image.layer.v1.tar", annotations: undefined },
        { mediaType: "application/vnd.oci.image.layer.v1.tar", annotations: { purpose: "test" } },
      ],
    );
  });

  it("gives the same files the same bytes, whatever their order, time or place on the host", async () => {
    await writeImage(layout, image);
    const other = join(scratch.path, "elsewhere");
    await mkdir(other);
    const again = await smallImage(other);
    const reordered = again.layers.map((layer) => ({ ...layer, files: [...layer.files].reverse() }));
    await writeImage(join(other, "image"), { ...again, layers: reordered });
    assert.deepEqual(await filesBelow(join(other, "image")), await filesBelow(layout));
  });

  it("has a digest that does not change between versions of kvci-build", async () => {
    const { digest } = await writeImage(layout, image);
    assert.equal(digest, "sha256:a736fa9e9d6d3c6dfef3d73814e0804bc73177ec3de285dff8ab153932295639");
  });

  it("sums up manifest, config and layers as the image's size", async () => {
    const { sizeBytes } = await writeImage(layout, image);
    const blobs = [...(await filesBelow(layout))].filter(([file]) => file.startsWith("blobs/"));
    assert.equal(
      sizeBytes,
      blobs.reduce((sum, [, bytes]) => sum + bytes.byteLength, 0),
    );
  });

  it("replaces the image of the same platform and reference name, and its blobs", async () => {
    const first = await writeImage(layout, image);
    const second = await writeImage(layout, { ...image, created: "2026-11-20T00:00:00Z" });
    const { images } = await readLayout(layout);
    assert.deepEqual(
      images.map(({ digest }) => digest),
      [second.digest],
    );
    await assert.rejects(stat(join(layout, blobOf(first.digest))), { code: "ENOENT" });
  });

  it("keeps images of other platforms and reference names", async () => {
    await writeImage(layout, image);
    await writeImage(layout, { ...image, platform: { os: "linux", arch: "arm64", variant: "v8" } });
    await writeImage(layout, { ...image, ref: "1.0", created: "2026-11-20T00:00:00Z" });
    const { images } = await readLayout(layout);
    assert.deepEqual(
      images.map(({ ref, platform }) => `${String(ref)} ${platform.arch}`),
      ["1.0 amd64", "latest amd64", "latest arm64"],
    );
  });

  it("leaves the same index whatever the order images were written in", async () => {
    const arm: ImageDescription = { ...image, platform: { os: "linux", arch: "arm64" } };
    await writeImage(layout, image);
    await writeImage(layout, arm);
    await writeImage(join(scratch.path, "other"), arm);
    await writeImage(join(scratch.path, "other"), image);
    assert.deepEqual(await filesBelow(join(scratch.path, "other")), await filesBelow(layout));
  });

  it("leaves no temporary file and no index when it is stopped", async () => {
    const abort = new AbortController();
    const onProgress = (): void => {
      abort.abort();
    };
    await assert.rejects(writeImage(layout, image, { signal: abort.signal, onProgress }), { code: "interrupted" });
    assert.deepEqual(
      [...(await filesBelow(layout)).keys()].filter((file) => !/^blobs\/sha256\/[0-9a-f]+$/.test(file)),
      ["oci-layout"],
    );
    await assert.rejects(readLayout(layout), { code: "layout-invalid", message: /index\.json: is missing/ });
  });

  it("removes what a killed writer left", async () => {
    await mkdir(join(layout, "blobs", "sha256"), { recursive: true });
    await writeFile(join(layout, "blobs", "sha256", ".tmp-4711"), "half a layer");
    await writeFile(join(layout, ".tmp-index.json"), "{");
    await writeFile(join(layout, "blobs", "sha256", "0".repeat(64)), "a blob nothing leads to");
    const written = await writeImage(layout, image);
    assert.equal((await filesBelow(layout)).size, 4 + written.layers.length);
  });

  it("tells how far it is with each file from the host", async () => {
    const told: unknown[] = [];
    await writeImage(layout, image, { onProgress: (...progress) => told.push(progress) });
    assert.deepEqual(told, [["disk/disk.qcow2", 1500, 1500]]);
  });

  it("says which host file cannot be read", async () => {
    const files = [{ path: "a", from: join(scratch.path, "gone"), mode: 0o644, uid: 0, gid: 0 }];
    await assert.rejects(writeImage(layout, { ...image, layers: [{ files }] }), {
      code: "build-invalid",
      message: /gone cannot be put into an image/,
    });
  });

  it("does not read a folder as a file", async () => {
    const files = [{ path: "a", from: scratch.path, mode: 0o644, uid: 0, gid: 0 }];
    await assert.rejects(writeImage(layout, { ...image, layers: [{ files }] }), {
      code: "build-invalid",
      message: /not a regular file/,
    });
  });

  it("notices a file that changes while it is read", async () => {
    const from = join(scratch.path, "host-file");
    const onProgress = (): void => {
      writeFileSync(from, "shorter");
    };
    await assert.rejects(writeImage(layout, image, { onProgress }), {
      code: "build-invalid",
      message: /changed while/,
    });
  });

  it("refuses to add to an index it cannot read", async () => {
    await writeImage(layout, image);
    await writeFile(join(layout, "index.json"), "{]");
    await assert.rejects(writeImage(layout, image), { code: "layout-invalid", message: /index\.json/ });
  });

  it("says store-unusable when the layout is not a folder", async () => {
    await writeFile(layout, "a file");
    await assert.rejects(writeImage(layout, image), { code: "store-unusable" });
  });
});
