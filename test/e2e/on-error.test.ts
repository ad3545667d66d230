import assert from "node:assert/strict";
import { access, readdir, readFile, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { keptSteps, ranSteps, templateText, Workspace, type Ended } from "./kvci.ts";

const GOOD = 'defineStep("good", [writeFile("/etc/good", "good\\n")])';
/** Leaves a file in memory, one on the disk and a process, speaks on the console, and fails. */
const LEAVE = [
  "echo here > /run/mark",
  "echo here > /etc/mark",
  "(setsid sleep 86399 > /dev/null 2>&1 &)",
  "echo words on the console > /dev/console",
  "echo no such repository >&2",
  "exit 3",
].join("; ");
const BAD = `defineStep("bad", [run("sh", "-ec", ${JSON.stringify(LEAVE)})])`;
const PNG = "\u0089PNG\r\n\u001a\n";

interface FailureJson {
  readonly screen: string;
  readonly commands: Readonly<Record<string, string>>;
}

describe("a step that fails", () => {
  let workspace: Workspace;
  let layersBefore: string[];
  before(async () => {
    const files = { "node.ts": templateText("node", `${GOOD}, ${BAD}`) };
    workspace = await Workspace.create(files, { CI: "", TERM: "xterm" }, { firstBoot: true });
  });
  after(() => workspace.remove());
  afterEach(async () => {
    assert.deepEqual(await workspace.processes(), []);
    assert.deepEqual(await workspace.leftovers(), []);
  });

  const build = ["template", "node.ts", "--no-verify"];
  const shell = (script: string, ...options: readonly string[]): Promise<Ended> =>
    workspace.start(["shell", "node", ...options], {}, { stdin: script }).end;
  const kept = (): Promise<string[]> => readdir(join(workspace.store, "entries/kept")).catch(() => []);
  const log = (name: string): string => workspace.path("out/node/amd64.logs", name);
  /** Every layer's name and digest, read from its bytes' time and size. */
  const layers = async (): Promise<string[]> => {
    const found = await Promise.all(
      (await workspace.layers()).map(async ({ path }) => [path, await stat(path)] as const),
    );
    return found.map(([path, { size, mtimeMs }]) => `${path} ${size} ${mtimeMs}`).sort();
  };
  const assertEvidence = async (): Promise<void> => {
    assert.match(await readFile(log("console-bad.log"), "utf8"), /^# Serial console .*"bad".*\nwords on the console$/m);
    assert.equal((await readFile(log("screen.png"))).toString("latin1", 0, 8), PNG);
    assert.match(await readFile(log("serial.log"), "utf8"), /words on the console/);
    assert.match(await readFile(log("journal.jsonl"), "utf8"), /no such repository/);
  };

  it("leaves evidence and its guest, and says what to do", async () => {
    const { status, stderr } = await workspace.run(build);
    assert.equal(status, 6, stderr);
    await assertEvidence();
    assert.match(stderr, /resume +kvci-build template node\.ts --no-verify\n/);
    assert.match(stderr, /shell +kvci-build shell node\n/);
    assert.ok(stderr.includes(`less ${log("console-bad.log")}\n`), stderr);
    assert.ok(stderr.includes(log("screen.png")), stderr);
    assert.deepEqual(await kept(), ["node-amd64"]);
    layersBefore = await layers();
  });

  it("can be gone into: memory, processes and disk are as it left them, the clock is not", async () => {
    const script =
      "cat /run/mark /etc/mark; pgrep -fx 'sleep 86399' > /dev/null && date +%s; echo changed > /etc/mark; exit 7";
    const { status, stdout } = await shell(script);
    assert.equal(status, 7);
    const [memory, disk, seconds] = stdout.split("\n");
    assert.deepEqual([memory, disk], ["here", "here"]);
    assert.ok(Math.abs(Date.now() / 1000 - Number(seconds)) < 60, stdout);
  });

  it("is kept unchanged unless told otherwise, and never changes layers", async () => {
    assert.equal((await shell("cat /etc/mark; echo changed > /run/mark", "--then", "keep")).stdout, "here\n");
    assert.equal((await shell("cat /run/mark; hostname > /etc/mark")).stdout, "changed\n");
    assert.deepEqual(await layers(), layersBefore);
  });

  it("is booted from its disk when its memory is damaged, and can be discarded", async () => {
    await truncate(join(workspace.store, "entries/kept/node-amd64/memory.zst"), 1_000_000);
    const { stdout, stderr } = await shell("cat /etc/mark; test -e /run/mark || echo gone", "--then", "discard");
    assert.equal(stdout, "here\ngone\n");
    assert.match(stderr, /its memory is damaged; booting its disk instead/);
    assert.deepEqual(await kept(), []);
  });

  it("is nothing to go into when its guest is not kept", async () => {
    const { status, stderr } = await shell("true");
    assert.equal(status, 3);
    assert.match(stderr, /no guest of template "node" is kept/);
  });

  it("leaves evidence alone when asked to clean up", async () => {
    const { status, stderr } = await workspace.run([...build, "--on-error", "clean"]);
    assert.equal(status, 6, stderr);
    await assertEvidence();
    assert.deepEqual(await kept(), []);
    assert.doesNotMatch(stderr, /kvci-build shell/);
  });

  it("keeps its guest when a shell is wanted and nobody is there", async () => {
    const { status, stderr } = await workspace.run([...build, "--on-error", "shell", "--json"]);
    assert.equal(status, 6);
    assert.deepEqual(await kept(), ["node-amd64"]);
    const { error } = JSON.parse(stderr.trim().split("\n").at(-1) ?? "") as { error: FailureJson };
    assert.deepEqual(error.commands, {
      resume: "kvci-build template node.ts --no-verify --on-error shell --json",
      shell: "kvci-build shell node",
      log: `less ${log("console-bad.log")}`,
    });
    assert.equal(error.screen, log("screen.png"));
  });

  it("opens a session on a terminal, and asks what to do after it", async () => {
    const running = workspace.start([...build, "--on-error", "shell"], {}, { terminal: true });
    await running.shown("You are in the guest");
    await running.shown("root@");
    running.type("cat /run/mark; stty size; exit\r");
    await running.shown("here");
    await running.shown("[g]ive up");
    running.type("r\r");
    await running.shown("You are in the guest");
    await running.shown("root@");
    running.type("echo talked > /run/mark\r");
    await running.shown("root@");
    running.type("\u001d");
    await running.shown("[g]ive up");
    running.type("l\r");
    const { status, stdout } = await running.end;
    assert.equal(status, 6, stdout);
    assert.match(stdout, /shell +kvci-build shell node/);
    assert.equal((await shell("cat /run/mark")).stdout, "talked\n");
    assert.deepEqual(await layers(), layersBefore);
  });

  it("is the only one that runs when the build is resumed; then its guest goes", async () => {
    await workspace.write("node.ts", templateText("node", `${GOOD}, defineStep("bad", [run("true")])`));
    const ended = await workspace.run([...build, "--json"]);
    assert.equal(ended.status, 0, ended.stderr.slice(-3000));
    assert.deepEqual(ranSteps(ended), ["bad"]);
    assert.deepEqual(keptSteps(ended), ["bad"]);
    assert.deepEqual(await kept(), []);
    await assert.rejects(access(workspace.path("out/node/amd64/screen.png")));
  });
});
