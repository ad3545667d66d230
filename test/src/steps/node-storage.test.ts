import assert from "node:assert/strict";
import { localVolumes } from "../../../src/steps/local-volumes.ts";
import { swap } from "../../../src/steps/swap.ts";
import { commandsOf, contentOf, debian, fedora } from "./golden.ts";

describe("localVolumes", () => {
  const UNIT = "/etc/systemd/system/kvci-local-volumes.service";
  const commandOf = (input: Parameters<typeof localVolumes>[0]): string | undefined =>
    /^ExecStart=(.*)$/m.exec(contentOf(localVolumes(input).ops(debian), UNIT))?.[1];
  const PROGRAM = "/usr/libexec/kvci-build/local-volumes /var/lib/kvci-build/local-volumes";

  it("shares a data disk among ten volumes where the provisioner looks", () => {
    assert.equal(commandOf({ on: "data-disk" }), `${PROGRAM} /mnt/local-storage/local 10 0 kvci-volumes`);
  });

  it("takes sizes in GiB, and files on the root filesystem need one", () => {
    assert.equal(
      commandOf({ on: "image-file", sizeGiB: 5, count: 2, dir: "/mnt/disks" }),
      `${PROGRAM} /mnt/disks 2 5120`,
    );
    assert.throws(() => localVolumes({ on: "image-file" }), {
      code: "template-invalid",
      message: /sizeGiB: missing: files on the root filesystem need a size/,
    });
  });

  it("is mounted before kubelet counts what the node has, and never in the machine that builds the image", () => {
    const unit = contentOf(localVolumes({ on: "data-disk" }).ops(debian), UNIT);
    assert.match(unit, /^Before=.*\bkubelet\.service$/m);
    assert.match(unit, /^ConditionPathExists=!\/run\/kvci-build$/m);
    assert.match(unit, /^After=.*\bkvci-grow-root\.service$/m);
  });

  it("refuses names that are no label, and folders that a unit's command line would split", () => {
    assert.throws(() => localVolumes({ on: "data-disk", disk: "seventeen-letters" }), { message: /disk: 16/ });
    assert.throws(() => localVolumes({ on: "data-disk", dir: "/mnt/a b" }), { message: /dir: an absolute path/ });
    assert.throws(() => localVolumes({ on: "root" as never }), { message: /one of data-disk, image-file/ });
  });
});

describe("swap", () => {
  const step = swap({ sizeMiB: 512, swappiness: 10 });

  it("turns every other swap off, and hangs on a target that is not masked", () => {
    assert.ok(commandsOf(step.ops(fedora)).includes("systemctl mask swap.target"));
    assert.ok(contentOf(step.ops(fedora), "/etc/systemd/zram-generator.conf").startsWith("#"));
    const unit = contentOf(step.ops(debian), "/etc/systemd/system/swapfile.swap");
    assert.match(unit, /^DefaultDependencies=no$/m);
    assert.match(unit, /^WantedBy=multi-user\.target$/m);
    assert.doesNotMatch(unit, /^\w+=.*swap\.target/m);
  });

  it("makes the file on the node, after the root filesystem was grown, and puts nothing into the image", () => {
    const maker = contentOf(step.ops(debian), "/etc/systemd/system/kvci-swap-file.service");
    assert.match(maker, /^ExecStart=\/usr\/libexec\/kvci-build\/swap-file \/swapfile 512$/m);
    assert.match(maker, /^After=cloud-init\.service .*kvci-grow-root\.service$/m);
    assert.match(maker, /^Before=swapfile\.swap /m);
    assert.ok(!commandsOf(step.ops(debian)).some((command) => /mkswap|fallocate/.test(command)));
  });

  it("sets swappiness only when told", () => {
    assert.equal(contentOf(step.ops(debian), "/etc/sysctl.d/90-swap.conf"), "vm.swappiness = 10\n");
    assert.ok(
      !swap({ sizeMiB: 512 })
        .ops(debian)
        .some((op) => op.kind === "write-file" && /sysctl/.test(op.path)),
    );
  });

  it("refuses sizes that are none, and unknown keys", () => {
    assert.throws(() => swap({ sizeMiB: 0 }), { code: "template-invalid" });
    assert.throws(() => swap({ sizeMB: 512 } as never), { message: /unknown key "sizeMB"/ });
  });
});
