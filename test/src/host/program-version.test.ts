import assert from "node:assert/strict";
import { isAtLeast, parseVersion } from "../../../src/host/program-version.ts";
import { hostProgram, type ProgramId } from "../../../src/host/programs.ts";

/** First lines as Debian 12's programs, and oras 1.3, print them. */
const SAID: readonly (readonly [ProgramId, string, string])[] = [
  ["qemu-amd64", "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\n", "7.2.22"],
  ["qemu-img", "qemu-img version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\n", "7.2.22"],
  ["mmdebstrap", "mmdebstrap 1.3.5\n", "1.3.5"],
  ["mke2fs", "mke2fs 1.47.0 (5-Feb-2023)\n\tUsing EXT2FS Library version 1.47.0\n", "1.47.0"],
  ["sfdisk", "sfdisk from util-linux 2.38.1\n", "2.38.1"],
  ["mkfs.vfat", "mkfs.fat 4.2 (2021-01-31)\nUsage: mkfs.vfat [OPTIONS] TARGET [BLOCKS]\n", "4.2"],
  ["mcopy", "mcopy (GNU mtools) 4.0.32\n", "4.0.32"],
  ["xz", "xz (XZ Utils) 5.4.1\nliblzma 5.4.1\n", "5.4.1"],
  ["oras", "Version:        1.3.3\nGo version:     go1.26.5\n", "1.3.3"],
  ["skopeo", "skopeo version 1.9.3\n", "1.9.3"],
];

describe("program version", () => {
  for (const [id, output, version] of SAID) {
    it(`is read from what ${id} says`, () => {
      const asked = hostProgram(id).version;
      assert.ok(asked);
      assert.equal(parseVersion(output, asked), version);
    });
  }

  it("is compared number by number", () => {
    assert.equal(isAtLeast("5.10", "5.9"), true);
    assert.equal(isAtLeast("5.1", "5.1.0"), true);
    assert.equal(isAtLeast("5.0.99", "5.1"), false);
    assert.equal(isAtLeast("10", "9.9"), true);
  });
});
