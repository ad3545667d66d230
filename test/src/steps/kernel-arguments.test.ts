import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kernelArguments } from "../../../src/steps/kernel-arguments.ts";
import { commandsOf, contentOf, debian, debianGrub, debianZ, fedora, fedoraZ } from "./golden.ts";

const change = kernelArguments({ add: ["nosmt", "mitigations=off"], remove: ["quiet", "panic=5", "crashkernel"] });
const BEFORE = "root=PARTLABEL=root quiet panic=5 panic=10 crashkernel=1G nosmt quietly";
const AFTER = "root=PARTLABEL=root panic=10 quietly nosmt mitigations=off";

describe("kernelArguments", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "kvci-steps-"));
    mkdirSync(join(root, "boot/efi/loader/entries"), { recursive: true });
    mkdirSync(join(root, "etc"));
  });
  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  /** Runs the step's scripts with /etc and /boot below the scratch folder. */
  const runScripts = (platform: typeof debian): void => {
    for (const op of change.ops(platform)) {
      if (op.kind !== "run" || op.argv[0] !== "sh") continue;
      const script = (op.argv[2] ?? "").replaceAll(/(?<![\w/.])\/(etc|boot)\//g, `${root}/$1/`);
      const { status, stderr } = spawnSync("sh", ["-ec", script], { encoding: "utf8" });
      assert.equal(status, 0, stderr);
    }
  };
  const read = (path: string): string => readFileSync(join(root, path), "utf8");

  it("edits every loader entry and the command line of later kernels, and changes nothing the second time", () => {
    for (const name of ["debian-6.1.conf", "debian-6.12.conf"]) {
      writeFileSync(
        join(root, "boot/efi/loader/entries", name),
        `title      Debian\noptions    ${BEFORE}\nlinux      /debian/linux\n`,
      );
    }
    const entry = `title      Debian\nlinux      /debian/linux\noptions ${AFTER}\n`;
    for (const round of ["first", "second"]) {
      runScripts(debian);
      assert.equal(read("boot/efi/loader/entries/debian-6.1.conf"), entry);
      assert.equal(read("boot/efi/loader/entries/debian-6.12.conf"), entry);
      assert.equal(read("etc/kernel/cmdline"), `${AFTER}\n`, round);
    }
  });

  it("keeps what /etc/kernel/cmdline has beside the change", () => {
    writeFileSync(join(root, "boot/efi/loader/entries/a.conf"), "options a\n");
    mkdirSync(join(root, "etc/kernel"));
    writeFileSync(join(root, "etc/kernel/cmdline"), `${BEFORE}\n`);
    runScripts(debian);
    assert.equal(read("etc/kernel/cmdline"), `${AFTER}\n`);
  });

  it("fails where there is no loader entry to edit", () => {
    assert.throws(() => {
      runScripts(debian);
    }, /No such file/);
  });

  it("edits the parameters of zipl.conf, comments apart, and runs zipl", () => {
    const conf = (parameters: string): string => `[debian]\n# parameters = none\ntarget = /boot\n${parameters}\n`;
    writeFileSync(join(root, "etc/zipl.conf"), conf(`parameters = "${BEFORE}"`));
    runScripts(debianZ);
    assert.equal(read("etc/zipl.conf"), conf(`parameters="${AFTER}"`));
    assert.equal(commandsOf(change.ops(debianZ)).at(-1), "zipl");
  });

  it("gives GRUB on Debian a file that changes both of its variables", () => {
    const file = contentOf(change.ops(debianGrub), "/etc/default/grub.d/90-kvci-build.cfg");
    const script = `GRUB_CMDLINE_LINUX="${BEFORE}"; GRUB_CMDLINE_LINUX_DEFAULT="quiet splash nosmt"\n${file}\necho "$GRUB_CMDLINE_LINUX"; echo "$GRUB_CMDLINE_LINUX_DEFAULT"`;
    assert.equal(spawnSync("sh", ["-eu"], { input: script, encoding: "utf8" }).stdout, `${AFTER}\nsplash\n`);
    assert.equal(commandsOf(change.ops(debianGrub)).at(-1), "update-grub");
  });

  it("lets grubby do it on Fedora, and runs zipl after it on s390x", () => {
    const grubby = [
      "grubby --update-kernel=ALL --remove-args=quiet panic=5 crashkernel",
      "grubby --update-kernel=ALL --args=nosmt mitigations=off",
    ];
    assert.deepEqual(commandsOf(change.ops(fedora)), grubby);
    assert.deepEqual(commandsOf(change.ops(fedoraZ)), [...grubby, "zipl"]);
  });

  it("refuses arguments that a boot loader's file would read as something else", () => {
    for (const text of ["a b", "a='b'", 'a="b"', "a=$(b)", "a;b", ""]) {
      assert.throws(() => kernelArguments({ add: [text] }), { message: /add\.0: an argument such as/ });
    }
    assert.throws(() => kernelArguments({}), { message: /at least one argument/ });
  });
});
