import assert from "node:assert/strict";
import { access, readFile } from "node:fs/promises";
import { templateText, Workspace } from "./kvci.ts";

const SLOW_STEP = 'defineStep("slow", [run("sh", "-ec", "echo working; sleep 300")])';

describe("a build that fails", () => {
  let workspace: Workspace;
  before(async () => {
    workspace = await Workspace.create({
      "failing.ts": templateText(
        "failing",
        'defineStep("good", [run("true")]), defineStep("bad", [run("true"), run("sh", "-ec", "echo no such repository >&2; exit 3")])',
      ),
      "slow.ts": templateText("slow", SLOW_STEP),
      "panic.ts": templateText(
        "panic",
        'defineStep("panic", [run("sh", "-ec", "sync; echo c > /proc/sysrq-trigger; sleep 60")])',
      ),
    });
  });
  after(() => workspace.remove());
  afterEach(async () => {
    assert.deepEqual(await workspace.processes(), []);
    assert.deepEqual(await workspace.leftovers(), []);
  });

  it("names step, op, status, last output, console, logs, and what to do", async () => {
    const { status, stderr } = await workspace.run(["template", "failing.ts"]);
    assert.equal(status, 6);
    assert.match(stderr, /step "bad": sh -ec .* exited 3 \(op 2 of 2\)/);
    assert.match(stderr, /no such repository/);
    assert.match(stderr, /console: /);
    assert.match(stderr, /What to do: /);
    const log = workspace.path("out/failing/amd64.logs/serial.log");
    assert.ok(stderr.includes(log), stderr);
    assert.match(await readFile(log, "utf8"), /Linux version/);
    assert.match(await readFile(workspace.path("out/failing/amd64.logs/journal.jsonl"), "utf8"), /no such repository/);
    await assert.rejects(access(workspace.path("out/failing/amd64")), "half a build was left");
  });

  it("ends within 2 s of QEMU's death in the middle of a step", async () => {
    const running = workspace.start(["template", "slow.ts", "--json"]);
    const qemu = await running.event(
      (event) => event.type === "program-started" && event.argv[0]?.includes("qemu-system") === true,
    );
    await running.event((event) => event.type === "output" && event.text.includes("working"));
    assert.ok(qemu.type === "program-started");
    const killed = performance.now();
    process.kill(qemu.pid, "SIGKILL");
    const { status, stderr } = await running.end;
    assert.ok(performance.now() - killed < 2_000, `took ${String(performance.now() - killed)} ms`);
    assert.equal(status, 6);
    assert.match(stderr, /QEMU died of SIGKILL/);
  });

  it("knows a kernel panic by the console", async () => {
    const { status, stderr } = await workspace.run(["template", "panic.ts"]);
    assert.equal(status, 6);
    assert.match(stderr, /step "panic": the guest's kernel panicked: Kernel panic - not syncing/);
  });
});
