import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { canonicalJson } from "../../../src/core/canonical-json.ts";
import { sha256 } from "../../../src/core/digest.ts";
import { extractDisk } from "../../../src/oci/extract-disk.ts";
import { writeImage, type WrittenImage } from "../../../src/oci/image.ts";
import type { Layer } from "../../../src/oci/layer-entries.ts";
import { layeredDisk } from "../../../src/oci/layered-disk.ts";
import { filesBelow, scratchFolder } from "./small-image.ts";

const platform = { os: "linux", arch: "amd64" };

describe("disk extraction", () => {
  let scratch: Awaited<ReturnType<typeof scratchFolder>>;
  let layout: string;
  let folder: string;

  beforeEach(async () => {
    scratch = await scratchFolder();
    layout = join(scratch.path, "image");
    folder = join(scratch.path, "disk");
    await mkdir(folder);
  });
  afterEach(() => scratch.remove());

  const layer = (path: string, content: string): Layer => ({ files: [{ path, content, mode: 0o440, uid: 1, gid: 1 }] });
  const write = (ref: string, ...layers: readonly Layer[]): Promise<WrittenImage> =>
    writeImage(layout, { platform, ref, layers });
  const extracted = async (): Promise<Record<string, string>> =>
    Object.fromEntries([...(await filesBelow(folder))].map(([name, bytes]) => [name, bytes.toString()]));

  it("unpacks the files of all layers", async () => {
    const big = "x".repeat(3 * 1024 * 1024 + 5);
    await write("a", layer("disk/base.qcow2", big), layer("disk/disk.qcow2", "top"));
    const { files } = await extractDisk(layout, { folder });
    assert.deepEqual(files, ["base.qcow2", "disk.qcow2"]);
    assert.deepEqual(await extracted(), { "base.qcow2": big, "disk.qcow2": "top" });
  });

  it("unpacks what another tool has compressed", async () => {
    const image = await write("a", layer("disk/disk.qcow2", "top"));
    const blob = (digest: string): string => join(layout, "blobs", "sha256", digest.slice("sha256:".length));
    const put = async (bytes: Buffer): Promise<{ digest: string; size: number }> => {
      await writeFile(blob(sha256(bytes)), bytes);
      return { digest: sha256(bytes), size: bytes.byteLength };
    };
    const [plain] = image.layers;
    const packed = await put(gzipSync(await readFile(blob(plain?.digest ?? ""))));
    const layers = [{ mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", ...packed }];
    const manifest = await put(Buffer.from(canonicalJson({ ...image.manifest, layers })));
    const entry = { mediaType: "application/vnd.oci.image.manifest.v1+json", ...manifest };
    await writeFile(join(layout, "index.json"), canonicalJson({ schemaVersion: 2, manifests: [entry] }));
    await extractDisk(layout, { folder });
    assert.deepEqual(await extracted(), { "disk.qcow2": "top" });
  });

  it("takes the layered image unless another is named", async () => {
    const from = join(scratch.path, "host-file");
    await writeFile(from, "chain");
    const chain = [{ file: "disk.qcow2", phase: "seal", steps: [], virtualBytes: 1, from }];
    await writeImage(layout, layeredDisk({ chain, platform, ref: "sample-layered" }));
    await write("sample", layer("disk/disk.qcow2", "flat"));
    assert.equal((await extractDisk(layout, { folder })).image.ref, "sample-layered");
    assert.deepEqual(await extracted(), { "disk.qcow2": "chain" });
    const other = join(scratch.path, "other");
    await mkdir(other);
    assert.equal((await extractDisk(layout, { folder: other, ref: "sample" })).image.ref, "sample");
  });

  it("asks which image is meant when that is not clear", async () => {
    await write("a", layer("disk/disk.qcow2", "a"));
    await write("b", layer("disk/disk.qcow2", "b"));
    await assert.rejects(extractDisk(layout, { folder }), { code: "usage", message: /more than one image/ });
    await assert.rejects(extractDisk(layout, { folder, ref: "c" }), { code: "usage", message: /no image named "c"/ });
  });

  for (const path of ["etc/passwd", "disk/deeper/disk.qcow2", "disk/.wh.base.qcow2", "disk/-rf", "top"]) {
    it(`refuses an image that holds ${path}`, async () => {
      await write("a", layer(path, "bytes"));
      await assert.rejects(extractDisk(layout, { folder }), { code: "layout-invalid", message: /no file of a disk/ });
      assert.deepEqual(await extracted(), {});
    });
  }

  it("refuses two files with one name", async () => {
    await write("a", layer("disk/disk.qcow2", "one"), layer("disk/disk.qcow2", "two"));
    await assert.rejects(extractDisk(layout, { folder }), { code: "store-unusable", message: /EEXIST/ });
  });

  it("refuses a layer that does not have its digest, before anything is unpacked", async () => {
    const image = await write("a", layer("disk/disk.qcow2", "top"));
    const blob = join(layout, "blobs", "sha256", image.layers[0]?.digest.slice("sha256:".length) ?? "");
    const bytes = await readFile(blob);
    bytes.write("TOP", bytes.indexOf("top"));
    await writeFile(blob, bytes);
    await assert.rejects(extractDisk(layout, { folder }), { code: "layout-invalid", message: /digest of its name/ });
    assert.deepEqual(await extracted(), {});
  });

  it("stops when it is told to", async () => {
    await write("a", layer("disk/disk.qcow2", "top"));
    await assert.rejects(extractDisk(layout, { folder, signal: AbortSignal.abort() }), { code: "interrupted" });
  });
});
