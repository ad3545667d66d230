import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Step } from "../../src/core/step.ts";
import { growRootOnFirstBoot, localVolumes, swap } from "../../src/steps/index.ts";
import { contentOf, debian } from "../src/steps/golden.ts";

/** Stand-ins for the programs that only root may call: they keep mounts in a file and say in another what they were told. */
const PROGRAMS = {
  mountpoint: 'grep -qx "$2" "$STATE/mounts"',
  mount: 'for last; do :; done; mkdir -p "$last/lost+found"; echo "$last" >> "$STATE/mounts"',
  umount: 'grep -vx "$1" "$STATE/mounts" > "$STATE/rest" || true; mv "$STATE/rest" "$STATE/mounts"',
  "mkfs.ext4": 'exit $(cat "$STATE/mkfs-status" 2> /dev/null || echo 0)',
  blkid:
    'if [ "$1" = -p ]; then cat "$STATE/signature" 2> /dev/null || exit 2; else cat "$STATE/labelled" 2> /dev/null; fi',
  lsblk: 'cat "$STATE/serials" 2> /dev/null || true',
  fallocate: "",
  df: "printf 'Avail\\n1048576\\n'",
  mkswap: "",
  chattr: "exit 1",
  findmnt: 'if [ "$3" = SOURCE ]; then cat "$STATE/source"; else cat "$STATE/type"; fi',
  growpart: 'exit $(cat "$STATE/growpart-status" 2> /dev/null || echo 0)',
  resize2fs: "",
  xfs_growfs: "",
  btrfs: "",
};

/** A scratch folder with the stand-ins first on the PATH. */
class Scratch {
  readonly path = mkdtempSync(join(tmpdir(), "kvci-scripts-"));

  constructor() {
    this.write("state/mounts", "");
    this.write("state/said", "");
    for (const [name, body] of Object.entries(PROGRAMS)) {
      this.write(`bin/${name}`, `#!/bin/sh\necho "${name} $*" >> "$STATE/said"\n${body}\n`, 0o755);
    }
  }

  write(name: string, content: string, mode = 0o644): void {
    const file = join(this.path, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    chmodSync(file, mode);
  }

  read(name: string): string {
    return readFileSync(join(this.path, name), "utf8");
  }

  has(name: string): boolean {
    return existsSync(join(this.path, name));
  }

  /** Runs a step's script; /sys is below this folder. @returns what the stand-ins were told since the last run. */
  run(step: Step, name: string, ...args: readonly string[]): { status: number | null; text: string; said: string[] } {
    const script = contentOf(step.ops(debian), `/usr/libexec/kvci-build/${name}`);
    this.write("script", script.replaceAll("=/sys/", `=${this.path}/sys/`), 0o755);
    this.write("state/said", "");
    const { status, stdout, stderr } = spawnSync(join(this.path, "script"), args, {
      encoding: "utf8",
      env: { PATH: `${this.path}/bin:${process.env["PATH"] ?? ""}`, STATE: join(this.path, "state"), LC_ALL: "C" },
    });
    const said = this.read("state/said").replaceAll(`${this.path}/`, "").split("\n").filter(Boolean);
    return { status, text: `${stdout}${stderr}`, said };
  }

  remove(): void {
    rmSync(this.path, { recursive: true });
  }
}

describe("scripts of a node's boot", () => {
  let scratch: Scratch;
  beforeEach(() => {
    scratch = new Scratch();
  });
  afterEach(() => scratch.remove());

  describe("local-volumes", () => {
    const step = localVolumes({ on: "data-disk" });
    const run = (count: number, sizeMiB: number, ...disk: readonly string[]): ReturnType<Scratch["run"]> => {
      const args = [join(scratch.path, "pool"), join(scratch.path, "mnt"), String(count), String(sizeMiB), ...disk];
      return scratch.run(step, "local-volumes", ...args);
    };

    it("makes sparse volumes that every user may write to, and mounts them", () => {
      const { status, text } = run(2, 64);
      assert.equal(status, 0, text);
      for (const number of ["1", "2"]) {
        assert.equal(statSync(join(scratch.path, `pool/disk${number}.img`)).size, 64 * 1024 ** 2);
        assert.equal(statSync(join(scratch.path, `mnt/disk${number}`)).mode & 0o7777, 0o777);
        assert.ok(!scratch.has(`mnt/disk${number}/lost+found`));
      }
      assert.equal(scratch.read("state/mounts").split("\n").length, 3);
    });

    it("only mounts at later boots, and does nothing when all is mounted", () => {
      run(2, 64);
      scratch.write("state/mounts", "");
      const kinds = (said: readonly string[]): string[] => said.map((line) => line.split(" ")[0] ?? "");
      assert.deepEqual(kinds(run(2, 64).said), ["mountpoint", "mount", "mountpoint", "mount"]);
      assert.deepEqual(kinds(run(2, 64).said), ["mountpoint", "mountpoint"]);
    });

    it("makes a volume again whose making was interrupted", () => {
      scratch.write("state/mkfs-status", "1");
      assert.equal(run(1, 64).status, 1);
      assert.ok(!scratch.has("pool/disk1.img"));
      scratch.write("state/mounts", `${scratch.path}/mnt/disk1\n`);
      scratch.write("state/mkfs-status", "0");
      const { status, said } = run(1, 64);
      assert.equal(status, 0);
      assert.ok(said.includes("umount mnt/disk1"));
      assert.ok(scratch.has("pool/disk1.img"));
    });

    it("formats a blank disk with its serial number, and shares it evenly for good", () => {
      scratch.write("state/serials", "/dev/vda\n/dev/vdb data\n");
      const { status, said, text } = run(4, 0, "data");
      assert.equal(status, 0, text);
      assert.ok(said.includes("mkfs.ext4 -q -F -m 0 -L data /dev/vdb"), said.join("\n"));
      assert.ok(said.includes("mount -o noatime /dev/vdb pool"));
      // 99 % of 1 GiB, by four.
      assert.ok(said.includes("fallocate -l 253MiB pool/disk1.img.new"), said.join("\n"));
      assert.equal(scratch.read("pool/size"), "253\n");
      scratch.write("bin/df", "#!/bin/sh\nexit 1\n", 0o755);
      assert.equal(run(4, 0, "data").status, 0);
    });

    it("knows its disk by the label later", () => {
      scratch.write("state/labelled", "/dev/vdc\n");
      const { said } = run(1, 64, "data");
      assert.ok(said.includes("mount -o noatime /dev/vdc pool"));
      assert.ok(!said.some((line) => line.startsWith("mkfs.ext4") && line.endsWith("/dev/vdc")));
    });

    it("leaves a disk alone that holds something, and says what and what to do", () => {
      scratch.write("state/serials", "/dev/vdb data\n");
      scratch.write("state/signature", '/dev/vdb: TYPE="xfs"\n');
      const { status, text, said } = run(1, 0, "data");
      assert.equal(status, 1);
      assert.match(text, /\/dev\/vdb has the serial number data but is not blank.*TYPE="xfs"/);
      assert.match(text, /wipefs --all \/dev\/vdb/);
      assert.ok(!said.some((line) => /^(?:mkfs|mount )/.test(line)));
    });

    it("says that there is no disk, which is no failure: a clone under test has none", () => {
      scratch.write("state/serials", "/dev/vda\n");
      const { status, text } = run(1, 0, "data");
      assert.equal(status, 0);
      assert.match(text, /no disk has the serial number or label data/);
    });
  });

  describe("grow-root", () => {
    const step = growRootOnFirstBoot();
    const disk = (freeSectors: number, type = "ext4"): void => {
      const block = "sys/devices/vda/vda1";
      scratch.write(`${block}/partition`, "1\n");
      scratch.write(`${block}/start`, "2048\n");
      scratch.write(`${block}/size`, "100000\n");
      scratch.write("sys/devices/vda/size", `${String(102_048 + freeSectors)}\n`);
      mkdirSync(join(scratch.path, "sys/class/block"), { recursive: true });
      symlinkSync("../../devices/vda/vda1", join(scratch.path, "sys/class/block/vda1"));
      scratch.write("state/source", "/dev/vda1[/root]\n");
      scratch.write("state/type", `${type}\n`);
    };
    const grown = (): string[] => {
      const { status, said, text } = scratch.run(step, "grow-root");
      assert.equal(status, 0, text);
      return said.filter((line) => !line.startsWith("findmnt"));
    };

    it("grows partition and filesystem of a disk with room", () => {
      disk(1_000_000);
      assert.deepEqual(grown(), ["growpart /dev/vda 1", "resize2fs /dev/vda1"]);
    });

    it("leaves a partition alone that fills its disk", () => {
      disk(2_048);
      assert.deepEqual(grown(), ["resize2fs /dev/vda1"]);
    });

    it("goes on when another partition is in the way, and fails when growpart does", () => {
      disk(1_000_000);
      scratch.write("state/growpart-status", "1");
      assert.equal(grown().length, 2);
      scratch.write("state/growpart-status", "2");
      assert.notEqual(scratch.run(step, "grow-root").status, 0);
    });

    for (const [type, command] of [
      ["xfs", "xfs_growfs /"],
      ["btrfs", "btrfs filesystem resize max /"],
    ] as const) {
      it(`grows ${type} by its mount point`, () => {
        disk(0, type);
        assert.deepEqual(grown(), [command]);
      });
    }

    it("says what it cannot grow", () => {
      disk(0, "f2fs");
      assert.match(scratch.run(step, "grow-root").text, /\/ is f2fs, which is not grown/);
    });
  });

  describe("swap-file", () => {
    const step = swap({ sizeMiB: 64 });

    it("makes the file once, readable by root alone, and gives it its name last", () => {
      const file = join(scratch.path, "swapfile");
      const { status, said, text } = scratch.run(step, "swap-file", file, "64");
      assert.equal(status, 0, text);
      assert.deepEqual(said, ["chattr +C swapfile.new", "fallocate -l 64MiB swapfile.new", "mkswap swapfile.new"]);
      assert.equal(statSync(file).mode & 0o777, 0o600);
      assert.deepEqual(scratch.run(step, "swap-file", file, "64").said, []);
    });

    it("leaves no swap file when one cannot be made", () => {
      scratch.write("bin/mkswap", "#!/bin/sh\nexit 1\n", 0o755);
      assert.equal(scratch.run(step, "swap-file", join(scratch.path, "swapfile"), "64").status, 1);
      assert.ok(!scratch.has("swapfile"));
    });
  });
});
