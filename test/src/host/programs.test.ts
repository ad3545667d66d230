import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import {
  FEATURES,
  hostProgram,
  installHint,
  installHintFor,
  packagesOf,
  PROGRAM_IDS,
  programsFor,
} from "../../../src/host/programs.ts";

const DEBIAN = "ID=debian\n";
const FEDORA = "ID=fedora\n";

describe("table of host programs", () => {
  it("looks for commands or for firmware, and names packages for apt and dnf", () => {
    for (const id of PROGRAM_IDS) {
      const { commands = [], firmware = [], packages, features } = hostProgram(id);
      assert.ok(commands.length > 0 !== firmware.length > 0, id);
      assert.ok(packages.apt.length > 0 && packages.dnf.length > 0 && features.length > 0, id);
    }
  });

  it("asks for no other program than the feature and the architecture take", () => {
    assert.deepEqual(programsFor(["build"], "amd64"), ["qemu-amd64", "qemu-img"]);
    assert.deepEqual(programsFor(["build", "firmware"], "arm64"), ["qemu-arm64", "qemu-img", "firmware-arm64"]);
    assert.deepEqual(programsFor(["firmware"], "s390x"), []);
    assert.deepEqual(programsFor([], "amd64"), []);
  });

  it("is the one that docs/host-programs.md shows", () => {
    const page = readFileSync(new URL("../../../docs/host-programs.md", import.meta.url), "utf8");
    for (const id of PROGRAM_IDS) {
      const { packages, features } = hostProgram(id);
      const line = page.split("\n").find((each) => each.startsWith(`| ${id} |`)) ?? "";
      for (const name of [...packages.apt, ...packages.dnf]) assert.match(line, new RegExp(`\\b${name}\\b`), id);
      for (const feature of features) assert.ok(line.includes(FEATURES[feature]), `${id}: ${feature}`);
    }
  });
});

describe("install hint", () => {
  it("is the exact command for the distribution", () => {
    const qemu = ["qemu-amd64", "qemu-img"] as const;
    assert.equal(
      installHintFor(qemu, DEBIAN),
      "Run `sudo apt-get install -y --no-install-recommends qemu-system-x86 qemu-utils`.",
    );
    assert.equal(installHintFor(qemu, FEDORA), "Run `sudo dnf install -y qemu-system-x86-core qemu-img`.");
  });

  it("names the packages where the package manager is not known", () => {
    assert.match(installHintFor(["sfdisk"], "ID=alpine\n"), /Debian's name for it is fdisk/);
  });

  it("finds the entry by the command that could not be started", () => {
    assert.match(installHint("mcopy", DEBIAN), /install -y --no-install-recommends mtools`/);
    assert.match(installHint("/usr/libexec/qemu-kvm", FEDORA), /qemu-system-x86-core/);
    assert.match(installHint("oras", DEBIAN), /doctor --fix/);
  });

  it("has words for a program that is not in the table", () => {
    assert.match(installHint("frobnicate", DEBIAN), /^Install frobnicate with your package manager/);
  });
});

describe("packages of programs", () => {
  it("are each named once", () => {
    assert.deepEqual(packagesOf(["xz", "xz"], "apt"), ["xz-utils"]);
  });
});
