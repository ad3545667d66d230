import assert from "node:assert/strict";
import { sha256 } from "../../../src/core/digest.ts";
import { chainPart, layeredDisk } from "../../../src/oci/layered-disk.ts";

const platform = { os: "linux", arch: "amd64" };
const steps = [{ name: "containerd", key: sha256("containerd") }];
const chain = [
  { file: "base.qcow2", phase: "base", steps: [], virtualBytes: 2, from: "/host/base" },
  { file: "disk.qcow2", phase: "seal", steps, virtualBytes: 4, from: "/host/top" },
];

describe("layered disk", () => {
  const image = layeredDisk({ chain, platform, ref: "sample-layered", labels: { a: "b" }, annotations: { a: "b" } });

  it("has every file alone in a layer, readable by KubeVirt's QEMU", () => {
    const directories = [{ path: "disk", mode: 0o555, uid: 107, gid: 107 }];
    const file = { mode: 0o440, uid: 107, gid: 107 };
    assert.deepEqual(
      image.layers.map((layer) => ({ directories: layer.directories, files: layer.files })),
      [
        { directories, files: [{ path: "disk/base.qcow2", from: "/host/base", ...file }] },
        { directories, files: [{ path: "disk/disk.qcow2", from: "/host/top", ...file }] },
      ],
    );
  });

  it("says in label and annotation which file is the topmost", () => {
    const layered = { a: "b", "io.kubevirt.kvci-build.disk.layered": "disk/disk.qcow2" };
    assert.deepEqual([image.annotations, image.config?.labels, image.ref], [layered, layered, "sample-layered"]);
  });

  it("says in each layer's annotations what it holds, and reads it back", () => {
    assert.deepEqual(
      image.layers.map(({ annotations = {} }) => chainPart(annotations)),
      chain.map(({ file, phase, steps, virtualBytes }) => ({ file, phase, steps, virtualBytes })),
    );
  });

  it("does not understand annotations of others", () => {
    const [annotations = {}] = image.layers.map((layer) => layer.annotations);
    assert.equal(chainPart({}), undefined);
    for (const [name, value] of [
      ["file", "disk/../../etc/passwd"],
      ["steps", "not JSON"],
      ["steps", '[{"name":"a","key":"b"}]'],
      ["virtual-bytes", "-1"],
    ] as const) {
      assert.equal(chainPart({ ...annotations, [`io.kubevirt.kvci-build.layer.${name}`]: value }), undefined, name);
    }
  });
});
