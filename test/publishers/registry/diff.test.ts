import assert from "node:assert/strict";
import { sha256 } from "../../../src/core/digest.ts";
import type { KvciError } from "../../../src/core/error.ts";
import { diffRegistry } from "../../../publishers/registry/diff.ts";
import type { RepositoryState, WantedImage } from "../../../publishers/registry/registry-state.ts";

const TARGET = { name: "quay", required: true };
const layer = { digest: sha256("layer"), size: 1000 };
const sbom = { artifactType: "application/spdx+json", title: "sbom", digest: sha256("sbom"), size: 10 };
const artifact = { ...sbom, manifest: { digest: sha256("manifest of sbom"), size: 20 } };

const image = (arch: "amd64" | "arm64"): WantedImage => ({
  digest: sha256(arch),
  size: 500,
  folder: `/out/node/${arch}`,
  layout: `/out/node/${arch}/image`,
  arch,
  template: "node",
  version: "1.0",
  planId: sha256("plan"),
  content: sha256("content"),
  diskDigest: sha256("disk"),
  blobs: [layer],
});

const state = (given: Partial<RepositoryState> = {}): RepositoryState => ({
  host: "quay.io",
  repository: "org/node",
  known: 0,
  referrersApi: "unknown",
  images: [],
  indexes: [],
  tags: [],
  ...given,
});

const missing = { present: false, missing: [layer.digest], artifacts: [artifact], attached: [] };
const there = { present: true, missing: [], artifacts: [artifact], attached: [artifact.manifest.digest] };
const index = { digest: sha256("index"), size: 2, text: "{}", children: [sha256("amd64"), sha256("arm64")] };
const steps = (...repositories: RepositoryState[]): string[] =>
  diffRegistry(TARGET, { repositories }).map(({ kind, phase, needs }) => `${phase} ${kind} ${needs.length}`);

describe("what a registry lacks", () => {
  it("is brought there children first, read back, and tagged one after another, floating tags last", () => {
    const tag = (name: string, digest: string, floating = false): RepositoryState["tags"][number] => ({
      tag: name,
      floating,
      digest: digest as `sha256:${string}`,
      former: null,
    });
    const tags = [tag("latest", index.digest, true), tag("1.0", index.digest), tag("1.0-amd64", sha256("amd64"))];
    const images = [
      { image: image("amd64"), ...missing },
      { image: image("arm64"), ...missing },
    ];
    const wanted = state({ images, indexes: [{ index, present: false }], tags });
    assert.deepEqual(steps(wanted), [
      ...["stage push 0", "stage push 0", "register index 2", "register attach 1", "register attach 1"],
      ...["verify check 2", "verify check 2", "verify check 1"],
      ...["promote tag 1", "promote tag 2", "promote tag 2"],
    ]);
    const named = diffRegistry(TARGET, { repositories: [wanted] }).filter(({ kind }) => kind === "tag");
    assert.deepEqual(
      named.map(({ id }) => id.split("/").at(-1)),
      ["1.0-amd64", "1.0", "latest"],
    );
    assert.ok(named.every(({ exposes }) => exposes));
  });

  it("is nothing when all is there", () => {
    const tags = [{ tag: "1.0", floating: false, digest: sha256("amd64"), former: sha256("amd64") }];
    assert.deepEqual(steps(state({ images: [{ image: image("amd64"), ...there }], tags })), []);
  });

  it("is only the tag when a run died before it", () => {
    const tags = [{ tag: "1.0", floating: false, digest: sha256("amd64"), former: null }];
    assert.deepEqual(steps(state({ images: [{ image: image("amd64"), ...there }], tags })), [
      "verify check 0",
      "promote tag 1",
    ]);
  });

  it("counts the bytes of what has to be sent alone", () => {
    const own = { digest: sha256("own"), size: 7 };
    const partly = { ...image("amd64"), blobs: [layer, own] };
    const [push] = diffRegistry(TARGET, {
      repositories: [state({ images: [{ image: partly, ...missing, missing: [own.digest] }] })],
    });
    assert.deepEqual(push?.quantities, { bytes: 7, layers: 1 });
  });

  it("is a conflict for release tags that stand for something else, all of them named", () => {
    const taken = (tag: string, floating = false): RepositoryState["tags"][number] => ({
      tag,
      floating,
      digest: sha256("amd64"),
      former: sha256("another"),
    });
    const tags = [taken("1.0"), taken("1.0-amd64"), taken("latest", true)];
    assert.throws(
      () => steps(state({ images: [{ image: image("amd64"), ...there }], tags })),
      (error: KvciError) => {
        assert.equal(error.code, "publish-conflict");
        assert.match(error.message, /quay\.io\/org\/node:1\.0 /);
        assert.deepEqual(error.evidence.slice(0, 2), [`there   ${sha256("another")}`, `wanted  ${sha256("amd64")}`]);
        assert.equal(error.evidence.length, 5);
        return true;
      },
    );
  });
});
