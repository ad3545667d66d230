import assert from "node:assert/strict";
import { blobsOf, imageBytes, manifestFor, parseDocument } from "../../../src/images/image-manifest.ts";

const DOCKER = "application/vnd.docker.distribution.manifest";

function digest(letter: string): `sha256:${string}` {
  return `sha256:${letter.repeat(64)}`;
}

function parse(value: unknown): ReturnType<typeof parseDocument> {
  return parseDocument(Buffer.from(JSON.stringify(value)), "registry.example/name:1.0");
}

const layer = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: digest("1"), size: 1000 };
const config = { mediaType: "application/vnd.oci.image.config.v1+json", digest: digest("c"), size: 10 };

describe("image document", () => {
  it("is a manifest or an index, in OCI's words or in Docker's", () => {
    const manifest = { schemaVersion: 2, mediaType: `${DOCKER}.v2+json`, config, layers: [layer] };
    assert.deepEqual([parse(manifest).kind, parse(manifest).mediaType], ["manifest", `${DOCKER}.v2+json`]);
    assert.equal(parse({ ...manifest, mediaType: undefined }).mediaType, "application/vnd.oci.image.manifest.v1+json");
    const list = { schemaVersion: 2, mediaType: `${DOCKER}.list.v2+json`, manifests: [] };
    assert.deepEqual([parse(list).kind, parse(list).mediaType], ["index", `${DOCKER}.list.v2+json`]);
  });

  it("that is of Docker's first format, or none at all, is refused by name", () => {
    for (const value of [{ schemaVersion: 1, name: "name", fsLayers: [] }, "<html>", {}]) {
      assert.throws(() => parse(value), { code: "registry-failed", message: /^registry\.example\/name:1\.0: / });
    }
  });

  it("counts a blob that is in it twice once", () => {
    const manifest = { schemaVersion: 2 as const, config, layers: [layer, layer] };
    assert.equal(blobsOf(manifest).length, 2);
    assert.equal(imageBytes(manifest), 1010);
  });

  it("leads to the manifest for an architecture, the plain one before its variants", () => {
    const of = (architecture: string, letter: string, variant?: string): typeof layer & { platform: object } => ({
      ...layer,
      digest: digest(letter),
      platform: { os: "linux", architecture, ...(variant === undefined ? {} : { variant }) },
    });
    const manifests = [
      { ...of("amd64", "0"), platform: { os: "windows", architecture: "amd64" } },
      of("amd64", "3", "v3"),
      of("amd64", "2"),
      of("arm", "7", "v7"),
      of("arm64", "8", "v8"),
    ];
    const index = parse({ schemaVersion: 2, manifests });
    assert.ok(index.kind === "index");
    const found = (["amd64", "arm64", "s390x"] as const).map((arch) => manifestFor(index.index, arch));
    assert.deepEqual(found, [digest("2"), digest("8"), undefined]);
  });
});
