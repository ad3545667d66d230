import assert from "node:assert/strict";
import { switchToOverlay } from "../../../src/qemu/live-disk.ts";
import { withPausedGuest } from "../../../src/qemu/pause.ts";
import { FakeVm } from "./fake-vm.ts";

const SWITCH = { from: "layer-0", node: "layer-1", overlay: "/store/chain/two.qcow2" };

describe("switching a running machine to an overlay", () => {
  it("opens the overlay beforehand, and only stops the guest for the switch", async () => {
    const vm = new FakeVm();
    await switchToOverlay(vm, SWITCH);
    assert.deepEqual(vm.names, ["blockdev-add", "stop", "blockdev-snapshot", "cont"]);
    assert.deepEqual(vm.commands[2]?.[1], { node: "layer-0", overlay: "layer-1" });
  });

  it("opens it as the first disk was opened: no flushes, freed and zeroed blocks given back, no second look at its backing", async () => {
    const vm = new FakeVm();
    await switchToOverlay(vm, SWITCH);
    assert.deepEqual(vm.commands[0]?.[1], {
      driver: "qcow2",
      "node-name": "layer-1",
      backing: null,
      discard: "unmap",
      "detect-zeroes": "unmap",
      cache: { direct: false, "no-flush": true },
      file: {
        driver: "file",
        filename: "/store/chain/two.qcow2",
        discard: "unmap",
        cache: { direct: false, "no-flush": true },
      },
    });
  });

  it("does what is to be done at that very point while the guest stands still", async () => {
    const vm = new FakeVm();
    await switchToOverlay(vm, SWITCH, async () => {
      await vm.qmp("work");
    });
    assert.deepEqual(vm.names, ["blockdev-add", "stop", "blockdev-snapshot", "work", "cont"]);
  });

  it("lets the guest go on when it fails", async () => {
    const vm = new FakeVm({ "blockdev-snapshot": () => new Error("no space") });
    await assert.rejects(switchToOverlay(vm, SWITCH), /no space/);
    assert.equal(vm.names.at(-1), "cont");
  });
});

describe("a paused guest", () => {
  it("that dies meanwhile is not told to go on", async () => {
    const vm = new FakeVm();
    const work = withPausedGuest(vm, () => {
      vm.die(new Error("died"));
      return Promise.reject(new Error("cause"));
    });
    await assert.rejects(work, /cause/);
    assert.deepEqual(vm.names, ["stop"]);
  });
});
