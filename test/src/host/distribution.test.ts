import assert from "node:assert/strict";
import { isDebian, packageManagerOf } from "../../../src/host/distribution.ts";

describe("distribution", () => {
  it("tells the package manager by ID", () => {
    assert.equal(packageManagerOf('PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\n'), "apt");
    assert.equal(packageManagerOf("NAME=Fedora\nID=fedora\n"), "dnf");
    assert.equal(packageManagerOf('ID="centos"\nID_LIKE="rhel fedora"\n'), "dnf");
  });

  it("falls back to the family of a derivative", () => {
    assert.equal(packageManagerOf('ID=linuxmint\nID_LIKE="ubuntu debian"\n'), "apt");
    assert.equal(packageManagerOf("ID='rocky'\nID_LIKE='rhel centos fedora'\n"), "dnf");
  });

  it("knows no package manager for other families and for a host that says nothing", () => {
    assert.equal(packageManagerOf("ID=alpine\n"), undefined);
    assert.equal(packageManagerOf(""), undefined);
    assert.equal(packageManagerOf("ID=constructor\n"), undefined);
  });

  it("takes no derivative for Debian itself", () => {
    assert.equal(isDebian("VERSION_ID=12\nID=debian\n"), true);
    assert.equal(isDebian("ID=ubuntu\nID_LIKE=debian\n"), false);
  });
});
