import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KvciError } from "../../../src/core/error.ts";
import { silentJournal } from "../../../src/core/journal.ts";
import type { VirtualMachine } from "../../../src/qemu/boot-request.ts";
import { startQemu } from "../../../src/qemu/qemu-process.ts";

/** Greets as QEMU does and answers the two commands every start sends; then it ends on its input's end, or when killed. */
const FAKE_QEMU = `
  echo '{"QMP": {}}'
  read -r capabilities; echo '{"return": {}, "id": 1}'
  read -r usernet; echo '{"return": "TCP[HOST_FORWARD] 12 127.0.0.1 40022 10.0.2.15 22", "id": 2}'
  while read -r command; do case $command in *poweroff*) exit 0 ;; esac; done`;

describe("QEMU process", () => {
  let folder: string;
  let abort: AbortController;
  let machine: VirtualMachine;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-qemu-"));
    abort = new AbortController();
    const serialLog = join(folder, "serial.log");
    await writeFile(serialLog, "");
    const request = {
      arch: "amd64",
      disk: join(folder, "disk.qcow2"),
      memoryMiB: 1,
      cpus: 1,
      firmware: "bios",
      workDir: folder,
      serialLog,
      signal: abort.signal,
    } as const;
    const accelerator = { name: "tcg", reason: "a test" } as const;
    const start = { request, argv: ["sh", "-c", FAKE_QEMU] as const, accelerator, consoleStart: 0 };
    machine = await startQemu(start, silentJournal);
  });

  afterEach(async () => {
    // An aborted machine is killed at once instead of being given time to quit.
    abort.abort();
    await machine[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  it("tells the port of the guest's SSH", () => {
    assert.equal(machine.sshPort, 40_022);
  });

  it("that is stopped says by what", async () => {
    const reason = new KvciError("interrupted", "stopped by SIGINT", { hint: "Run it again." });
    abort.abort(reason);
    await assert.rejects(machine.died, (error: unknown) => error === reason);
  });

  it("is waited for until the deadline and not longer", async () => {
    assert.equal(await machine.waitForEnd(20), false);
    assert.equal(machine.ended, false);
  });

  it("is waited for until its end", async () => {
    machine.expectEnd();
    machine.qmp("poweroff").catch(() => undefined);
    assert.equal(await machine.waitForEnd(5_000), true);
    assert.equal(machine.ended, true);
  });
});
