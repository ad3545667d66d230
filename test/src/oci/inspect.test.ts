import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { canonicalJson } from "../../../src/core/canonical-json.ts";
import { sha256, type Digest } from "../../../src/core/digest.ts";
import { writeImage, type WrittenImage } from "../../../src/oci/image.ts";
import { inspectLayout } from "../../../src/oci/inspect.ts";
import { scratchFolder, smallImage } from "./small-image.ts";

describe("layout inspection", () => {
  let scratch: Awaited<ReturnType<typeof scratchFolder>>;
  let layout: string;
  let written: WrittenImage;

  beforeEach(async () => {
    scratch = await scratchFolder();
    layout = join(scratch.path, "image");
    written = await writeImage(layout, await smallImage(scratch.path));
  });
  afterEach(() => scratch.remove());

  const blobFile = (digest: string): string => join(layout, "blobs", "sha256", digest.slice("sha256:".length));
  const addBlob = async (bytes: Buffer): Promise<{ digest: Digest; size: number }> => {
    await writeFile(blobFile(sha256(bytes)), bytes);
    return { digest: sha256(bytes), size: bytes.byteLength };
  };
  /** Puts other bytes in the place of the first layer, with every digest above it right. */
  const replaceLayer = async (bytes: Buffer, mediaType: string): Promise<void> => {
    const layer = { mediaType, ...(await addBlob(bytes)) };
    const old = JSON.parse(await readFile(blobFile(written.manifest.config.digest), "utf8")) as object;
    const rootfs = { type: "layers", diff_ids: [layer.digest] };
    const config = { ...written.manifest.config, ...(await addBlob(Buffer.from(canonicalJson({ ...old, rootfs })))) };
    const manifest = await addBlob(Buffer.from(canonicalJson({ ...written.manifest, config, layers: [layer] })));
    const entry = { mediaType: "application/vnd.oci.image.manifest.v1+json", ...manifest };
    await writeFile(join(layout, "index.json"), canonicalJson({ schemaVersion: 2, manifests: [entry] }));
  };

  for (const verify of [false, true]) {
    it(`reports everything about an image, ${verify ? "verified" : "not verified"}`, async () => {
      const { config, layers } = written.manifest;
      assert.deepEqual(await inspectLayout(layout, { verify }), {
        folder: layout,
        verified: verify,
        others: [],
        images: [
          {
            digest: written.digest,
            ref: "latest",
            mediaType: "application/vnd.oci.image.manifest.v1+json",
            platform: { os: "linux", arch: "amd64" },
            created: "1970-01-01T00:00:00Z",
            sizeBytes: written.sizeBytes,
            config: { digest: config.digest, mediaType: config.mediaType, sizeBytes: config.size },
            labels: { colour: "blue" },
            annotations: { "org.opencontainers.image.title": "small" },
            layers: [
              {
                digest: layers[0]?.digest,
                mediaType: "application/vnd.oci.image.layer.v1.tar",
                sizeBytes: 512 + 512 + 1536 + 1024,
                annotations: {},
                files: [
                  { path: "disk", type: "Directory", sizeBytes: 0, mode: 0o755, uid: 0, gid: 0 },
                  { path: "disk/disk.qcow2", type: "File", sizeBytes: 1500, mode: 0o440, uid: 107, gid: 107 },
                ],
              },
              {
                digest: layers[1]?.digest,
                mediaType: "application/vnd.oci.image.layer.v1.tar",
                sizeBytes: 512 + 512 + 1024 + 1024,
                annotations: { purpose: "test" },
                files: [
                  { path: "etc", type: "Directory", sizeBytes: 0, mode: 0o755, uid: 0, gid: 0 },
                  { path: "etc/empty", type: "File", sizeBytes: 0, mode: 0o600, uid: 1, gid: 2 },
                  { path: "etc/motd", type: "File", sizeBytes: 6, mode: 0o644, uid: 0, gid: 0 },
                ],
              },
            ],
          },
        ],
      });
    });
  }

  it("finds a changed byte in a layer's content only when it verifies", async () => {
    const file = blobFile(written.layers[0]?.digest ?? "");
    const bytes = await readFile(file);
    bytes[1100] = 0;
    await writeFile(file, bytes);
    await inspectLayout(layout);
    await assert.rejects(inspectLayout(layout, { verify: true }), {
      code: "layout-invalid",
      message: /its bytes do not have the digest of its name/,
    });
  });

  /** As programs with several threads write it. */
  const inFrames = (tar: Buffer): Buffer =>
    Buffer.concat([tar.subarray(0, 700), tar.subarray(700)].map((part) => zstdCompressSync(part)));

  for (const [what, name, compress] of [
    ["gzip", "gzip", gzipSync],
    ["zstd", "zstd", zstdCompressSync],
    ["zstd, in frames,", "zstd", inFrames],
  ] as const) {
    it(`lists the files of a ${what} layer`, async () => {
      const tar = await readFile(blobFile(written.layers[1]?.digest ?? ""));
      await replaceLayer(compress(tar), `application/vnd.oci.image.layer.v1.tar+${name}`);
      const { images } = await inspectLayout(layout, { verify: true });
      assert.deepEqual(
        images[0]?.layers[0]?.files.map(({ path }) => path),
        ["etc", "etc/empty", "etc/motd"],
      );
    });

    it(`refuses a damaged ${what} layer`, async () => {
      const tar = compress(await readFile(blobFile(written.layers[1]?.digest ?? "")));
      await replaceLayer(tar.subarray(0, tar.byteLength - 20), `application/vnd.oci.image.layer.v1.tar+${name}`);
      await assert.rejects(inspectLayout(layout), { code: "layout-invalid" });
    });
  }

  it("refuses a tar that is cut off, even where its digest says so", async () => {
    const tar = await readFile(blobFile(written.layers[0]?.digest ?? ""));
    for (const length of [0, 100, 512, 1030, 1600, tar.byteLength - 1024]) {
      await replaceLayer(tar.subarray(0, length), "application/vnd.oci.image.layer.v1.tar");
      await assert.rejects(inspectLayout(layout, { verify: true }), { code: "layout-invalid", message: /is cut off/ });
    }
  });

  it("refuses a layer that is no tar", async () => {
    await replaceLayer(Buffer.alloc(2048, "x"), "application/vnd.oci.image.layer.v1.tar");
    await assert.rejects(inspectLayout(layout), { code: "layout-invalid", message: /has a damaged header/ });
  });

  it("refuses a diff id that is not the layer's", async () => {
    const old = JSON.parse(await readFile(blobFile(written.manifest.config.digest), "utf8")) as object;
    const rootfs = { type: "layers", diff_ids: [sha256("a"), sha256("b")] };
    const config = { ...written.manifest.config, ...(await addBlob(Buffer.from(canonicalJson({ ...old, rootfs })))) };
    const manifest = await addBlob(Buffer.from(canonicalJson({ ...written.manifest, config })));
    const entry = { mediaType: "application/vnd.oci.image.manifest.v1+json", ...manifest };
    await writeFile(join(layout, "index.json"), canonicalJson({ schemaVersion: 2, manifests: [entry] }));
    await assert.rejects(inspectLayout(layout), { code: "layout-invalid", message: /diff id 0 is not that of layer/ });
  });

  it("stops when it is told to", async () => {
    await assert.rejects(inspectLayout(layout, { verify: true, signal: AbortSignal.abort() }), { code: "interrupted" });
  });
});
