import assert from "node:assert/strict";
import { qemuArguments } from "../../../src/qemu/argv.ts";
import type { BootRequest } from "../../../src/qemu/boot-request.ts";
import { REQUEST } from "./request.ts";

const firmware = { code: "/fw/code.fd", vars: "/w/vars.fd" };
const argvOf = (change: Partial<BootRequest> = {}, files = {}): string =>
  qemuArguments({ ...REQUEST, ...change }, "tcg", { credentials: {}, ...files }).join(" ");

describe("QEMU's arguments", () => {
  it("are the same for the same request", () => {
    assert.deepEqual(argvOf({}, { firmware }), argvOf({}, { firmware }));
  });

  it("let only this host reach the guest, on a port that is free", () => {
    assert.match(argvOf(), /hostfwd=tcp:127\.0\.0\.1:0-:22(?: |$)/);
  });

  it("cut the guest off from everything but that port where it is isolated", () => {
    assert.doesNotMatch(argvOf(), /restrict/);
    assert.match(argvOf({ network: "isolated" }), /-netdev user,id=net0,restrict=on,hostfwd=tcp:127\.0\.0\.1:0-:22 /);
  });

  it("never wait for the disk and give freed blocks back", () => {
    assert.match(argvOf(), /format=qcow2,cache=unsafe,discard=unmap,detect-zeroes=unmap,file=\/w\/disk\.qcow2/);
  });

  it("drain the console into a file and speak QMP on the standard streams", () => {
    assert.match(argvOf(), /-chardev file,id=console,append=on,path=\/out\/serial\.log -serial chardev:console/);
    assert.match(argvOf(), /-chardev stdio,id=qmp -mon chardev=qmp,mode=control/);
  });

  it("boot by firmware with variables of the machine's own, or a kernel directly", () => {
    assert.match(argvOf({}, { firmware }), /readonly=on,file=\/fw\/code\.fd .*format=raw,file=\/w\/vars\.fd/);
    const directBoot = { kernel: "/k", initrd: "/i", kernelArguments: "root=PARTLABEL=root rw" };
    assert.match(
      argvOf({ directBoot }),
      /-kernel \/k -initrd \/i -append root=PARTLABEL=root rw norandmaps console=ttyS0/,
    );
  });

  it("have an emulated kernel keep one memory layout, and let a real one choose", () => {
    const directBoot = { kernel: "/k", initrd: "/i", kernelArguments: "root=PARTLABEL=root rw" };
    const real = qemuArguments({ ...REQUEST, directBoot }, "kvm", { credentials: {} }).join(" ");
    assert.match(real, /-append root=PARTLABEL=root rw console=ttyS0/);
  });

  it("carry credentials in files, never in the arguments themselves", () => {
    const argv = argvOf(
      { credentials: { "tmpfiles.extra": "SECRET" } },
      { credentials: { "tmpfiles.extra": "/w/credential" } },
    );
    assert.match(argv, /-fw_cfg name=opt\/io\.systemd\.credentials\/tmpfiles\.extra,file=\/w\/credential/);
    assert.doesNotMatch(argv, /SECRET/);
  });

  it("double commas in paths", () => {
    assert.match(argvOf({ disk: "/a,b/disk.qcow2" }), /file=\/a,,b\/disk\.qcow2/);
  });

  it("end the devices with a controller for disks that come and go, so that the others keep their places", () => {
    assert.match(argvOf(), /-device virtio-scsi-pci,id=hot$/);
    assert.match(argvOf({ arch: "s390x" }), /-device virtio-scsi-ccw,id=hot$/);
  });

  it("know the machine of every architecture", () => {
    assert.match(argvOf(), /-machine q35 -accel tcg -cpu max -smp 1 -m 2048M/);
    assert.match(argvOf({ arch: "arm64" }), /-machine virt .*virtio-blk-pci/);
    assert.match(argvOf({ arch: "s390x" }), /-machine s390-ccw-virtio .*virtio-blk-ccw.*virtio-net-ccw,netdev=net0 /);
  });

  it("use the host's own CPU and all the template asks for with KVM; emulated CPUs hang each other", () => {
    assert.match(qemuArguments(REQUEST, "kvm", { credentials: {} }).join(" "), /-accel kvm -cpu host -smp 2/);
  });

  it("give back pages that the guest frees, so that saved memory holds what is used", () => {
    assert.match(argvOf(), /-device virtio-balloon-pci,free-page-reporting=on/);
    assert.match(argvOf({ arch: "s390x" }), /-device virtio-balloon-ccw,free-page-reporting=on/);
  });

  it("tell a restored guest to seed its random numbers anew, where the machine can", () => {
    assert.match(argvOf(), /-device vmgenid,guid=auto/);
    assert.doesNotMatch(argvOf({ arch: "arm64" }), /vmgenid/);
  });

  it("read memory from a compressed file, and from nowhere unless asked to", () => {
    assert.match(argvOf({ memory: "/store/it's.zst" }), /-incoming exec:zstd -dcq -- '\/store\/it'\\''s\.zst'/);
    assert.doesNotMatch(argvOf(), /-incoming/);
  });

  it("name the disk for QMP, and end QEMU on a restart only where that is wanted", () => {
    assert.match(argvOf(), /id=disk0,node-name=layer-0,/);
    assert.match(argvOf(), /-action reboot=reset/);
    assert.match(argvOf({ onRestart: "end" }), /-action reboot=shutdown/);
  });
});
