import assert from "node:assert/strict";
import { mkdir, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { canonicalJson } from "../../../src/core/canonical-json.ts";
import { sha256 } from "../../../src/core/digest.ts";
import { KvciError } from "../../../src/core/error.ts";
import { writeImage, type WrittenImage } from "../../../src/oci/image.ts";
import { readLayout } from "../../../src/oci/read-layout.ts";
import { scratchFolder, smallImage } from "./small-image.ts";

const INDEX = "application/vnd.oci.image.index.v1+json";

describe("layout reader", () => {
  let scratch: Awaited<ReturnType<typeof scratchFolder>>;
  let layout: string;
  let written: WrittenImage;

  beforeEach(async () => {
    scratch = await scratchFolder();
    layout = join(scratch.path, "image");
    written = await writeImage(layout, await smallImage(scratch.path));
  });
  afterEach(() => scratch.remove());

  const blobFile = (digest: string): string => join("blobs", "sha256", digest.slice("sha256:".length));
  const writeIndex = (value: unknown): Promise<void> => writeFile(join(layout, "index.json"), JSON.stringify(value));
  const addBlob = async (value: unknown, mediaType: string): Promise<Record<string, unknown>> => {
    const text = canonicalJson(value);
    await writeFile(join(layout, blobFile(sha256(text))), text);
    return { mediaType, digest: sha256(text), size: Buffer.byteLength(text) };
  };
  const refused = async (message: RegExp): Promise<KvciError> => {
    const error: unknown = await readLayout(layout).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof KvciError, String(error));
    assert.equal(error.code, "layout-invalid");
    assert.match(error.evidence.join("\n"), message);
    return error;
  };

  it("reads back what the writer wrote", async () => {
    const { images, others } = await readLayout(layout);
    const [image] = images;
    assert.deepEqual([images.length, others.length], [1, 0]);
    assert.deepEqual(
      [image?.digest, image?.ref, image?.sizeBytes, image?.platform],
      [written.digest, "latest", written.sizeBytes, { os: "linux", arch: "amd64" }],
    );
    assert.deepEqual(image?.manifest, JSON.parse(JSON.stringify(written.manifest)));
    assert.deepEqual(image?.config.config?.Labels, { colour: "blue" });
  });

  it("finds images in an index of an index, under the name of the outer one", async () => {
    const { images } = await readLayout(layout);
    const inner = { ...images[0]?.descriptor, annotations: undefined };
    const nested = await addBlob({ schemaVersion: 2, mediaType: INDEX, manifests: [inner] }, INDEX);
    await writeIndex({
      schemaVersion: 2,
      manifests: [{ ...nested, annotations: { "org.opencontainers.image.ref.name": "v2" } }],
    });
    const again = await readLayout(layout);
    assert.deepEqual(
      again.images.map(({ digest, ref }) => [digest, ref]),
      [[written.digest, "v2"]],
    );
  });

  it("lists what it does not understand without refusing it", async () => {
    const other = await addBlob({ any: "thing" }, "application/vnd.example+json");
    await writeIndex({ schemaVersion: 2, manifests: [other] });
    assert.deepEqual((await readLayout(layout)).others, [other]);
  });

  it("lists a manifest whose config is not an image's as something else", async () => {
    const config = await addBlob({}, "application/vnd.oci.empty.v1+json");
    const manifest = await addBlob(
      { schemaVersion: 2, config, layers: [] },
      "application/vnd.oci.image.manifest.v1+json",
    );
    await writeIndex({ schemaVersion: 2, manifests: [manifest] });
    assert.deepEqual((await readLayout(layout)).others, [manifest]);
  });

  it("shows all that is wrong at once, naming each file", async () => {
    const [first, second] = written.layers.map(({ digest }) => blobFile(digest));
    await rm(join(layout, "oci-layout"));
    await rm(join(layout, first ?? ""));
    await truncate(join(layout, second ?? ""), 100);
    const error = await refused(/./);
    assert.deepEqual(error.evidence, [
      "oci-layout: is missing",
      `${String(first)}: is missing`,
      `${String(second)}: has 100 bytes instead of ${String(written.layers[1]?.size)}`,
    ]);
    assert.match(error.message, /oci-layout: is missing \(and 2 more\)$/);
  });

  it("refuses a folder that is not there or is not a layout", async () => {
    await assert.rejects(readLayout(join(scratch.path, "nowhere")), { code: "layout-invalid" });
    await assert.rejects(readLayout(scratch.path), { code: "layout-invalid", message: /oci-layout: is missing/ });
    await assert.rejects(readLayout(join(scratch.path, "host-file")), { code: "layout-invalid" });
  });

  it("refuses another version of the layout", async () => {
    await writeFile(join(layout, "oci-layout"), '{"imageLayoutVersion":"2.0.0"}');
    await refused(/oci-layout: imageLayoutVersion/);
  });

  for (const digest of [
    "sha256:../../../../etc/passwd",
    `sha256:${"A".repeat(64)}`,
    "md5:00",
    "",
    "sha256:/etc/passwd",
  ]) {
    it(`refuses the digest ${JSON.stringify(digest)}`, async () => {
      await writeIndex({ schemaVersion: 2, manifests: [{ mediaType: INDEX, digest, size: 1 }] });
      await refused(/index\.json: manifests\.0\.digest/);
    });
  }

  for (const size of [-1, 1.5, 1e300, "7", null]) {
    it(`refuses the size ${JSON.stringify(size)}`, async () => {
      await writeIndex({ schemaVersion: 2, manifests: [{ mediaType: INDEX, digest: sha256(""), size }] });
      await refused(/index\.json: manifests\.0\.size/);
    });
  }

  it("refuses a document of more than 4 MiB without reading it", async () => {
    await truncate(join(layout, "index.json"), 5 * 1024 * 1024 * 1024);
    await refused(/index\.json: has 5368709120 bytes, more than any manifest/);
  });

  it("survives documents nested a million deep", async () => {
    await writeFile(join(layout, "index.json"), "[".repeat(1_000_000) + "]".repeat(1_000_000));
    await refused(/index\.json: /);
    const deep = `{"x":${'{"x":'.repeat(500_000)}1${"}".repeat(500_000)}}`;
    await writeFile(join(layout, "index.json"), deep);
    await refused(/index\.json: /);
  });

  it("gives up on indexes that multiply", async () => {
    let child: Record<string, unknown> = await addBlob({ schemaVersion: 2, manifests: [] }, INDEX);
    for (let level = 0; level < 3; level += 1) {
      child = await addBlob({ schemaVersion: 2, manifests: Array.from({ length: 100 }, () => child) }, INDEX);
    }
    await writeIndex({ schemaVersion: 2, manifests: [child] });
    await refused(/leads to more than 1000 manifests/);
  });

  it("does not follow a link in the place of a blob, nor read a folder", async () => {
    const blob = join(layout, blobFile(written.digest));
    await rm(blob);
    await symlink("/etc/passwd", blob);
    await refused(/is not a regular file/);
    await rm(blob);
    await mkdir(blob);
    await refused(/is not a regular file/);
  });

  it("notices a manifest whose bytes changed in place", async () => {
    const text = canonicalJson(written.manifest).replace('"small"', '"smalL"');
    await writeFile(join(layout, blobFile(written.digest)), text);
    await refused(/do not have the digest/);
  });

  it("refuses a config that does not fit its manifest", async () => {
    const config = await addBlob(
      { os: "linux", architecture: "s390x", rootfs: { type: "layers", diff_ids: [] } },
      "application/vnd.oci.image.config.v1+json",
    );
    const manifest = await addBlob({ ...written.manifest, config }, "application/vnd.oci.image.manifest.v1+json");
    await writeIndex({
      schemaVersion: 2,
      manifests: [{ ...manifest, platform: { os: "linux", architecture: "amd64" } }],
    });
    const { evidence } = await refused(/has 0 diff ids for 2 layers/);
    assert.match(evidence.join("\n"), /is for linux\/s390x, the index says linux\/amd64/);
  });
});
