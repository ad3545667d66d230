import assert from "node:assert/strict";
import { containerDisk } from "../../../src/oci/container-disk.ts";

const platform = { os: "linux", arch: "amd64" };

describe("container disk", () => {
  it("holds nothing but the disk, readable by KubeVirt's QEMU", () => {
    const image = containerDisk({ disk: { path: "/host/d.qcow2", format: "qcow2" }, platform, labels: { a: "b" } });
    assert.deepEqual(image, {
      platform,
      config: { labels: { a: "b" } },
      layers: [
        {
          directories: [{ path: "disk", mode: 0o555, uid: 107, gid: 107 }],
          files: [{ path: "disk/disk.qcow2", from: "/host/d.qcow2", mode: 0o440, uid: 107, gid: 107 }],
        },
      ],
    });
  });

  it("calls a raw disk disk.img", () => {
    const { layers } = containerDisk({ disk: { path: "/host/d.raw", format: "raw" }, platform });
    assert.equal(layers[0]?.files[0]?.path, "disk/disk.img");
  });

  it("passes annotations, reference name and times on", () => {
    const rest = { annotations: { a: "b" }, ref: "v1", created: "2026-11-20T00:00:00Z", mtimeSeconds: 7 };
    const { annotations, ref, created, mtimeSeconds } = containerDisk({
      disk: { path: "/d", format: "raw" },
      platform,
      ...rest,
    });
    assert.deepEqual({ annotations, ref, created, mtimeSeconds }, rest);
  });
});
