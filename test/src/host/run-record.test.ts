import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive, processId } from "../../../src/host/process-table.ts";
import { recordRun, removeLeftovers, RUN_VARIABLE } from "../../../src/host/run-record.ts";
import { RecordingJournal } from "../../fakes/recording-journal.ts";

describe("process table", () => {
  it("tells a process from a later one of the same number", async () => {
    const self = await processId(process.pid);
    assert.ok(self);
    assert.equal(await isAlive(self), true);
    assert.equal(await isAlive({ ...self, startTicks: self.startTicks - 1 }), false);
  });
});

describe("run records", () => {
  let root = "";
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "kvci-runs-"));
    for (const name of ["runs", "tmp"]) await mkdir(join(root, name));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  it("are gone after an orderly end, with the run's temporary files", async () => {
    const run = await recordRun(root, { id: "r1", command: "template x" });
    await mkdir(join(root, "tmp/r1"));
    assert.deepEqual(await readdir(join(root, "runs")), ["r1.json"]);
    await run[Symbol.asyncDispose]();
    assert.deepEqual([...(await readdir(join(root, "runs"))), ...(await readdir(join(root, "tmp")))], []);
  });

  it("leave a run that is alive alone", async () => {
    const run = await recordRun(root, { id: "r1", command: "template x" });
    await removeLeftovers(root, new RecordingJournal());
    assert.deepEqual(await readdir(join(root, "runs")), ["r1.json"]);
    await run[Symbol.asyncDispose]();
  });

  it("of a killed run lead to its processes and files, which are ended and removed", async () => {
    const orphan = spawn("sleep", ["60"], { env: { ...process.env, [RUN_VARIABLE]: "r2" } });
    await once(orphan, "spawn");
    const ended = once(orphan, "close");
    await writeFile(
      join(root, "runs/r2.json"),
      JSON.stringify({ pid: process.pid, startTicks: 1, command: "template x" }),
    );
    await mkdir(join(root, "tmp/r2"));
    const journal = new RecordingJournal();
    await removeLeftovers(root, journal);
    assert.deepEqual((await ended)[1], "SIGTERM");
    assert.deepEqual([...(await readdir(join(root, "runs"))), ...(await readdir(join(root, "tmp")))], []);
    assert.match(
      journal
        .of("leftover-removed")
        .map(({ what }) => what)
        .join("; "),
      /process sleep \(pid \d+\); temporary files/,
    );
  });

  it("that are damaged count as a killed run's", async () => {
    await writeFile(join(root, "runs/r3.json"), "{");
    await removeLeftovers(root, new RecordingJournal());
    assert.deepEqual(await readdir(join(root, "runs")), []);
  });
});
