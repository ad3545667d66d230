import assert from "node:assert/strict";
import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { alarmIn, consoleTail, watchConsole } from "../../../src/qemu/console-alarm.ts";

describe("console alarms", () => {
  const alarms: readonly (readonly [string, RegExp])[] = [
    ["[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)", /kernel panicked/],
    ['You are in emergency mode. After logging in, type "journalctl -xb"', /emergency shell/],
    ['Generating "/run/initramfs/rdsosreport.txt"', /initramfs/],
    ["ALERT!  PARTLABEL=root does not exist.  Dropping to a shell!", /did not find its root/],
    ["BdsDxe: No bootable option or device was found.", /nothing to boot/],
  ];
  for (const [line, meaning] of alarms) {
    it(`knows: ${line.slice(0, 50)}`, () => {
      assert.match(alarmIn(`before\r\n${line}\r\nafter`)?.meaning ?? "", meaning);
    });
  }

  it("does not mind an ordinary boot", () => {
    const boot =
      "Booting `Debian GNU/Linux'\r\n[  OK  ] Reached target emergency.target - nope\r\nkernel: panic=10 on the command line\r\nlogin: ";
    assert.equal(alarmIn(boot), undefined);
  });
});

describe("watchConsole", () => {
  let folder = "";
  let log = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-console-"));
    log = join(folder, "serial.log");
  });
  after(() => rm(folder, { recursive: true }));

  it("notices an alarm that arrives in two pieces", async () => {
    await writeFile(log, "Kernel panic - not ");
    const seen = watchConsole(log, { signal: AbortSignal.timeout(5_000), fromByte: 0 });
    setTimeout(() => void appendFile(log, "syncing: Attempted to kill init!\n"), 300);
    assert.equal((await seen)?.line, "Kernel panic - not syncing: Attempted to kill init!");
  });

  it("leaves out what an earlier boot said", async () => {
    await writeFile(log, "Kernel panic - not syncing: before\n");
    const seen = await watchConsole(log, { signal: AbortSignal.timeout(400), fromByte: 36 });
    assert.equal(seen, undefined);
  });

  it("shows the last lines without terminal controls", async () => {
    await writeFile(log, "one\r\n\u001b[0;32m  OK  \u001b[0m two\r\n\r\nthree\r\n");
    assert.deepEqual(await consoleTail(log, 2), ["  OK   two", "three"]);
    assert.deepEqual(await consoleTail(join(folder, "none"), 2), []);
  });
});
