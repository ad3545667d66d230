import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { templateText, Workspace } from "./kvci.ts";
import { checkImage } from "../../src/disk/qemu-img.ts";
import { silentJournal } from "../../src/core/journal.ts";

const STAGES = ["boot", "mark", "seal", "convert", "wrap"] as const;

describe("a build that is stopped", () => {
  let workspace: Workspace;
  before(async () => {
    const step = 'defineStep("mark", [run("sh", "-ec", "sleep 2"), writeFile("/etc/mark", "here\\n")])';
    workspace = await Workspace.create({ "small.ts": templateText("small", step) });
  });
  after(() => workspace.remove());
  const build = ["template", "small.ts", "--no-verify", "--json"];

  for (const stage of STAGES) {
    it(`leaves nothing behind after Ctrl-C in ${stage}`, async () => {
      const running = workspace.start(build);
      await running.started(stage);
      running.kill("SIGINT");
      const { status, stderr } = await running.end;
      assert.equal(status, 130, stderr.slice(-3000));
      assert.match(stderr, /stopped by SIGINT/);
      assert.deepEqual(await workspace.processes(), []);
      assert.deepEqual(await workspace.leftovers(), []);
      assert.deepEqual(await readdir(workspace.path("out/small")), ["amd64.logs"]);
    });

    it(`has its processes ended by the next run after kill -9 in ${stage}`, async () => {
      const running = workspace.start(build);
      await running.started(stage);
      running.kill("SIGKILL");
      assert.equal((await running.end).status, null);
      const orphans = await workspace.processes();
      const next = workspace.start(build);
      await next.started("base");
      const alive = new Set((await workspace.processes()).map(({ pid }) => pid));
      assert.deepEqual(
        orphans.filter(({ pid }) => alive.has(pid)),
        [],
      );
      next.kill("SIGTERM");
      assert.equal((await next.end).status, 130);
      assert.deepEqual(await workspace.leftovers(), []);
    });
  }

  it("succeeds when it is run again", async () => {
    const { status, stderr } = await workspace.run(build);
    assert.equal(status, 0, stderr.slice(-3000));
    assert.deepEqual(await readdir(workspace.path("out/small")), ["amd64"]);
    const context = { signal: new AbortController().signal, journal: silentJournal };
    await checkImage(workspace.path("out/small/amd64/disk.qcow2"), context);
  });
});
