import assert from "node:assert/strict";
import { firewallOff } from "../../../src/steps/firewall.ts";
import { hugepages } from "../../../src/steps/hugepages.ts";
import { networkManager } from "../../../src/steps/network-manager.ts";
import { sriovUdev } from "../../../src/steps/sriov-udev.ts";
import { tmpfs } from "../../../src/steps/tmpfs.ts";
import { assertGoldens, commandsOf, contentOf, debian, debianZ, fedora } from "./golden.ts";

describe("hugepages", () => {
  it("has golden files for reserving by sysctl and by kernel arguments", () => {
    assertGoldens("hugepages", hugepages({ "2Mi": 64, "1Gi": 2 }));
    assertGoldens("hugepages-boot", hugepages({ "2Mi": 64, "1Gi": 2, boot: true }));
  });

  it("reserves the default size by sysctl, and needs no kernel argument for it", () => {
    const ops = hugepages({ "2Mi": 64, "1Gi": 0 }).ops(fedora);
    assert.equal(contentOf(ops, "/etc/sysctl.d/90-hugepages.conf"), "vm.nr_hugepages = 64\n");
    assert.deepEqual(commandsOf(ops), []);
  });

  it("gives numbers and sizes to the kernel in one go, so that each number has its size before it", () => {
    assert.deepEqual(commandsOf(hugepages({ "2Mi": 64, "1Gi": 64, boot: true }).ops(fedora)), [
      "grubby --update-kernel=ALL --args=hugepagesz=2M hugepages=64 hugepagesz=1G hugepages=64",
      "systemctl enable dev-hugepages1G.mount",
    ]);
  });

  it("mounts the large size", () => {
    const unit = contentOf(hugepages({ "1Gi": 1 }).ops(debian), "/etc/systemd/system/dev-hugepages1G.mount");
    assert.match(unit, /^Where=\/dev\/hugepages1G$/m);
    assert.match(unit, /^Options=pagesize=1G$/m);
  });

  it("knows the sizes of s390x, and refuses those of others there", () => {
    assert.ok(contentOf(hugepages({ "1Mi": 8 }).ops(debianZ), "/etc/sysctl.d/90-hugepages.conf").includes("= 8"));
    assert.throws(() => hugepages({ "2Mi": 64 }).ops(debianZ), {
      code: "template-invalid",
      message: /s390x has no huge pages of 2Mi: 1Mi and 2Gi/,
    });
    assert.throws(() => hugepages({ "2Gi": 1 }).ops(debian), { message: /amd64 has no huge pages of 2Gi/ });
  });

  it("refuses to reserve nothing", () => {
    assert.throws(() => hugepages({ "2Mi": 0 }), { name: "InputError", message: /at least one page/ });
  });
});

describe("networkManager", () => {
  const NM = "/etc/NetworkManager/conf.d/90-kvci-build.conf";
  const NETWORKD = "/etc/systemd/network/05-kvci-unmanaged.network";

  it("keeps the manager of each family off the cluster's interfaces", () => {
    const step = networkManager({ ignore: ["cali*", "tunl0"] });
    assert.equal(
      contentOf(step.ops(fedora), NM),
      "[keyfile]\nunmanaged-devices=interface-name:cali*;interface-name:tunl0\n",
    );
    assert.equal(contentOf(step.ops(debian), NETWORKD), "[Match]\nName=cali* tunl0\n\n[Link]\nUnmanaged=yes\n");
  });

  it("comes before the files that cloud-init and netplan write for networkd, as the first match counts", () => {
    const [file] = networkManager().ops(debian);
    assert.ok(file?.kind === "write-file" && file.path < "/etc/systemd/network/10-cloud-init-eth0.network");
  });

  it("sets NetworkManager's DHCP client, which networkd does not have", () => {
    assert.match(contentOf(networkManager({ dhcp: "dhclient" }).ops(fedora), NM), /^\[main\]\ndhcp=dhclient$/m);
    assert.throws(() => networkManager({ dhcp: "dhclient" }).ops(debian), {
      code: "template-invalid",
      message: /debian has systemd-networkd/,
    });
    assert.equal(networkManager({ dhcp: "internal" }).ops(debian).length, 1);
  });

  it("refuses patterns that would end a list or a line", () => {
    for (const name of ["cali*;eth0", "a b", "a\nb", ""]) {
      assert.throws(() => networkManager({ ignore: [name] }), { message: /ignore\.0: an interface name or pattern/ });
    }
  });
});

describe("sriovUdev", () => {
  const rule = (ops = sriovUdev().ops(debian)): string => contentOf(ops, "/etc/udev/rules.d/70-kvci-sriov.rules");

  it("names the emulated card's physical function sriov0", () => {
    assert.match(rule(), /^ACTION=="add", SUBSYSTEM=="net", DRIVERS=="igb", NAME="sriov0"$/m);
  });

  it("takes another driver and name, if Linux takes them", () => {
    assert.match(rule(sriovUdev({ driver: "mlx5_core", name: "pf0" }).ops(debian)), /DRIVERS=="mlx5_core", NAME="pf0"/);
    assert.throws(() => sriovUdev({ name: "a-name-of-16-char" }), { message: /15 characters at most/ });
    assert.throws(() => sriovUdev({ driver: 'igb", RUN="x' }), { name: "InputError" });
  });
});

describe("tmpfs", () => {
  it("has a label where there is SELinux, and none on Debian", () => {
    const unit = (platform: typeof debian): string =>
      contentOf(tmpfs({ path: "/srv/tests", sizeMiB: 64 }).ops(platform), "/etc/systemd/system/srv-tests.mount");
    assert.match(unit(fedora), /^Options=mode=1777,size=64m,context=system_u:object_r:container_file_t:s0$/m);
    assert.match(unit(debian), /^Options=mode=1777,size=64m$/m);
  });

  it("refuses paths whose unit would be named otherwise", () => {
    for (const path of ["/srv/a-b", "srv", "/srv/", "/srv/../etc", "/"]) {
      assert.throws(() => tmpfs({ path }), { message: /path: an absolute path/ }, path);
    }
  });
});

describe("firewallOff", () => {
  it("removes firewalld where it comes with the system, and masks what may be there on Debian", () => {
    assert.deepEqual(commandsOf(firewallOff().ops(fedora)), ["dnf remove --assumeyes firewalld"]);
    assert.deepEqual(commandsOf(firewallOff().ops(debian)), ["systemctl mask firewalld.service ufw.service"]);
  });
});
