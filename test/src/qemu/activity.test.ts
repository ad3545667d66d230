import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { watchActivity } from "../../../src/qemu/activity.ts";
import { FakeVm } from "./fake-vm.ts";

const LOOK_EVERY_MS = 5;

describe("the watch over a booting machine", () => {
  let folder: string;
  let operations: number;
  let vm: FakeVm;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-activity-"));
    await writeFile(join(folder, "serial.log"), "");
    operations = 0;
    const stats = (): unknown => [{ stats: { rd_operations: operations, wr_operations: 1, other: 1 } }];
    vm = new FakeVm({ "query-blockstats": stats }, join(folder, "serial.log"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** For how long nothing happened, asked before and after something does. */
  const around = async (event: () => void | Promise<void>): Promise<[number, number]> => {
    const stillMs = watchActivity(vm, LOOK_EVERY_MS);
    await stillMs();
    await delay(60);
    const before = await stillMs();
    await event();
    await delay(LOOK_EVERY_MS * 2);
    return [before, await stillMs()];
  };

  it("counts the time since the console was written to", async () => {
    const [before, after] = await around(() => writeFile(vm.serialLog, "Linux version"));
    assert.ok(before >= 55 && after < before, `${String(before)}, ${String(after)}`);
  });

  it("counts the time since the disk was used", async () => {
    const [before, after] = await around(() => void (operations += 1));
    assert.ok(before >= 55 && after < before, `${String(before)}, ${String(after)}`);
  });

  it("goes on counting for a machine that stands still, or does not answer", async () => {
    const [before, after] = await around(() => undefined);
    assert.ok(after > before);
    vm = new FakeVm({ "query-blockstats": () => new Error("gone") }, "/nowhere");
    const [first, then] = await around(() => undefined);
    assert.ok(then > first);
  });

  it("asks no more often than that", async () => {
    const stillMs = watchActivity(vm, 10_000);
    for (let count = 0; count < 5; count += 1) await stillMs();
    assert.equal(vm.commands.length, 1);
  });
});
