import assert from "node:assert/strict";
import { guestFiles } from "../../../builders/packages/guest-files.ts";
import { packages } from "../../../src/core/base.ts";
import type { Arch } from "../../../src/core/platform.ts";

const spec = packages({ distribution: "debian", release: "12" });
const textOf = (arch: Arch, path: string): string | undefined =>
  guestFiles(spec, arch).find((file) => file.path === path)?.text;

describe("guest files of a packages base", () => {
  it("let kernel-install name entries without a machine-id", () => {
    assert.equal(textOf("amd64", "/etc/kernel/entry-token"), "debian\n");
    assert.equal(textOf("amd64", "/etc/kernel/install.conf"), "layout=bls\nBOOT_ROOT=/boot/efi\n");
    assert.equal(
      textOf("amd64", "/etc/kernel/cmdline"),
      "root=PARTLABEL=root rw console=tty0 console=ttyS0,115200n8\n",
    );
  });

  it("mount the ESP only when it is looked at, where there is one", () => {
    assert.match(
      textOf("arm64", "/etc/fstab") ?? "",
      /^PARTLABEL=esp \/boot\/efi vfat .*noauto,nofail,x-systemd\.automount/m,
    );
    assert.equal(textOf("s390x", "/etc/fstab"), "PARTLABEL=root / ext4 defaults,discard,errors=remount-ro 0 1\n");
    assert.equal(textOf("s390x", "/etc/kernel/cmdline"), undefined);
    assert.match(textOf("s390x", "/etc/zipl.conf") ?? "", /^\[debian\]$/m);
  });

  it("come after the network configuration that cloud-init writes", () => {
    const networks = guestFiles(spec, "amd64").filter(({ path }) => path.endsWith(".network"));
    assert.deepEqual(
      networks.map(({ path }) => path),
      ["/etc/systemd/network/80-dhcp.network"],
    );
  });

  it("are named once", () => {
    const paths = guestFiles(spec, "amd64").map(({ path }) => path);
    assert.equal(new Set(paths).size, paths.length);
  });
});
