import assert from "node:assert/strict";
import { sha256 } from "../../../src/core/digest.ts";
import { imageLabels, type ImageIdentity } from "../../../src/oci/labels.ts";

const identity: ImageIdentity = {
  template: "quickstart",
  planId: sha256("plan"),
  baseDigest: sha256("base"),
  baseName: "debian-12-amd64",
  virtualBytes: 10_737_418_240,
  createdBy: "kvci-build 0.1.0",
};

describe("image labels", () => {
  it("name the plan, the base and the tool, in OCI's keys where there is one", () => {
    assert.deepEqual(imageLabels(identity).labels, {
      "org.opencontainers.image.title": "quickstart",
      "org.opencontainers.image.base.digest": sha256("base"),
      "org.opencontainers.image.base.name": "debian-12-amd64",
      "io.kubevirt.kvci-build.created-by": "kvci-build 0.1.0",
      "io.kubevirt.kvci-build.template": "quickstart",
      "io.kubevirt.kvci-build.plan-id": sha256("plan"),
      "io.kubevirt.kvci-build.base-digest": sha256("base"),
      "io.kubevirt.kvci-build.disk.virtual-bytes": "10737418240",
    });
  });

  it("say the same as the annotations", () => {
    const { labels, annotations } = imageLabels({ ...identity, version: "1.31.2", source: "https://example.org/x" });
    assert.deepEqual(labels, annotations);
    assert.equal(labels["org.opencontainers.image.version"], "1.31.2");
    assert.equal(labels["org.opencontainers.image.source"], "https://example.org/x");
  });

  it("let a template replace OCI's, never those of the build", () => {
    const own = {
      "org.opencontainers.image.title": "Node",
      "io.kubevirt.kvci-build.plan-id": "forged",
      kubernetes: "1.31.2",
    };
    const { labels } = imageLabels({ ...identity, labels: own });
    assert.equal(labels["org.opencontainers.image.title"], "Node");
    assert.equal(labels["io.kubevirt.kvci-build.plan-id"], sha256("plan"));
    assert.equal(labels["kubernetes"], "1.31.2");
  });
});
