import assert from "node:assert/strict";
import { espFiles, kernelArguments, loaderEntry, loaderFile, ziplConf } from "../../../builders/packages/boot-files.ts";
import { packages } from "../../../src/core/base.ts";

const spec = packages({ distribution: "debian", release: "12" });

describe("ESP", () => {
  it("has the loader where firmware looks for it and where bootctl does", () => {
    const paths = espFiles(spec, "arm64", "6.1.0").map(({ path }) => path);
    assert.deepEqual(paths, [
      "EFI/BOOT/BOOTAA64.EFI",
      "EFI/systemd/systemd-bootaa64.efi",
      "debian/6.1.0/linux",
      "debian/6.1.0/initrd.img-6.1.0",
      "loader/loader.conf",
      "loader/entries.srel",
      "loader/entries/debian-6.1.0.conf",
    ]);
    assert.equal(loaderFile("amd64"), "systemd-bootx64.efi");
  });

  it("does not wait for a choice", () => {
    const conf = espFiles(spec, "amd64", "6.1.0").find(({ path }) => path === "loader/loader.conf");
    assert.deepEqual(conf?.content, { text: "timeout 0\nconsole-mode keep\n" });
  });

  it("does not exist on s390x, which zipl starts", () => {
    assert.deepEqual(espFiles(spec, "s390x", "6.1.0"), []);
    assert.equal(loaderFile("s390x"), undefined);
    assert.match(
      ziplConf(spec),
      /^image = \/vmlinuz\nramdisk = \/initrd\.img\nparameters = "root=PARTLABEL=root rw console=ttysclp0"$/m,
    );
  });
});

describe("loader entry", () => {
  it("is what kernel-install would write", () => {
    assert.equal(
      loaderEntry(spec, "amd64", "6.1.0"),
      [
        "title      debian 12",
        "version    6.1.0",
        "sort-key   debian",
        "options    root=PARTLABEL=root rw console=tty0 console=ttyS0,115200n8",
        "linux      /debian/6.1.0/linux",
        "initrd     /debian/6.1.0/initrd.img-6.1.0",
        "",
      ].join("\n"),
    );
  });

  it("speaks on the serial port of the architecture last", () => {
    assert.match(kernelArguments("arm64"), / console=ttyAMA0,115200n8$/);
  });
});
