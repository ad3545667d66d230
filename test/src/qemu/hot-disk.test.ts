import assert from "node:assert/strict";
import { attachDisk } from "../../../src/qemu/hot-disk.ts";
import { FakeVm } from "./fake-vm.ts";

const DISK = { path: "/store/tmp/images.tar", serial: "kvci-images" };

describe("disk that comes and goes", () => {
  it("is attached read-only, under its serial number, and detached again", async () => {
    const vm = new FakeVm();
    const disk = await attachDisk(vm, DISK);
    assert.deepEqual(vm.commands, [
      [
        "blockdev-add",
        {
          driver: "raw",
          "node-name": "disk-kvci-images",
          "read-only": true,
          file: { driver: "file", filename: DISK.path, "read-only": true },
        },
      ],
      [
        "device_add",
        { driver: "scsi-hd", bus: "hot.0", drive: "disk-kvci-images", serial: "kvci-images", id: "hot-kvci-images" },
      ],
    ]);
    await disk[Symbol.asyncDispose]();
    assert.deepEqual(vm.names.slice(2), ["device_del", "blockdev-del"]);
  });

  it("is let go of once the guest has", async () => {
    let asked = 0;
    const vm = new FakeVm({
      "blockdev-del": () => (++asked < 3 ? new Error("QEMU refused: Node disk-kvci-images is in use") : {}),
    });
    await (await attachDisk(vm, DISK))[Symbol.asyncDispose]();
    assert.equal(asked, 3);
  });

  it("is not left behind when it cannot be attached", async () => {
    const vm = new FakeVm({ device_add: () => new Error("QEMU refused: Bus 'hot.0' not found") });
    await assert.rejects(attachDisk(vm, DISK), /not found/);
    assert.deepEqual(vm.names, ["blockdev-add", "device_add", "blockdev-del"]);
  });

  it("is no concern of a machine that has ended", async () => {
    const vm = new FakeVm();
    const disk = await attachDisk(vm, DISK);
    vm.ended = true;
    await disk[Symbol.asyncDispose]();
    assert.deepEqual(vm.names, ["blockdev-add", "device_add"]);
  });
});
