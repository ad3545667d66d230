import assert from "node:assert/strict";
import { checkStandsAlone, diskFormatOf } from "../../../src/base/disk-format.ts";

function qcow2(edit: (head: Buffer) => void = () => undefined): Buffer {
  const head = Buffer.alloc(104);
  head.write("QFI\xfb", "latin1");
  head.writeUInt32BE(3, 4);
  edit(head);
  return head;
}

describe("disk format", () => {
  it("is known by its magic number, raw without one", () => {
    const vdi = Buffer.alloc(0x50);
    vdi.writeUInt32LE(0xbeda107f, 0x40);
    const heads = [
      qcow2(),
      Buffer.from("KDMV...."),
      Buffer.from("vhdxfile"),
      Buffer.from("conectix"),
      vdi,
      Buffer.alloc(512),
      Buffer.alloc(0),
    ];
    assert.deepEqual(heads.map(diskFormatOf), ["qcow2", "vmdk", "vhdx", "vpc", "vdi", "raw", "raw"]);
  });

  it("that makes QEMU open other files is refused", () => {
    for (const head of ["# Disk DescriptorFile\nversion=1", "QED\0"]) {
      assert.throws(() => diskFormatOf(Buffer.from(head)), { code: "base-failed" });
    }
  });

  it("stands alone without backing and data file", () => {
    checkStandsAlone(qcow2(), "disk");
    checkStandsAlone(Buffer.alloc(512), "disk");
    assert.throws(
      () =>
        checkStandsAlone(
          qcow2((head) => head.writeBigUInt64BE(4096n, 8)),
          "disk",
        ),
      { code: "base-failed", message: /backing file/ },
    );
    assert.throws(
      () =>
        checkStandsAlone(
          qcow2((head) => head.writeUInt32BE(4, 76)),
          "disk",
        ),
      { code: "base-failed", message: /data file/ },
    );
  });
});
