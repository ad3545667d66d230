import assert from "node:assert/strict";
import { readBuildRecord } from "../../src/pipeline/build-record.ts";
import { keptSteps, ranSteps, Workspace, type Ended, type Running } from "./kvci.ts";
import { assertQuiet } from "./sound-store.ts";

/** A step that takes a while, so that builds which are started together meet in it. */
function mark(name: string, seconds = 1): string {
  return `defineStep("${name}", [run("sh", "-ec", "echo ${name} > /etc/mark-${name}; sleep ${String(seconds)}")])`;
}

/** What somebody was waited for, as `step mark: kvci-build template x.ts (pid 1)`. */
function waits({ events }: Pick<Ended, "events">): string[] {
  return events.flatMap((event) => (event.type === "waiting" ? [`${event.subject}: ${event.holder}`] : []));
}

function kept(all: readonly Ended[]): string[] {
  return all.flatMap(keptSteps).sort();
}

function assertSucceeded(all: readonly Ended[]): void {
  for (const { status, stderr } of all) assert.equal(status, 0, stderr.slice(-3000));
}

describe("builds at the same time", () => {
  let workspace: Workspace;
  before(async () => {
    workspace = await Workspace.create({}, {}, { firstBoot: true });
  });
  after(() => workspace.remove());
  afterEach(() => assertQuiet(workspace));

  const start = (names: readonly string[], ...flags: readonly string[]): Running =>
    workspace.start(["template", ...names.map((name) => `${name}.ts`), "--no-verify", "--json", ...flags]);
  const cachedIn = async (name: string, out = "out"): Promise<boolean[]> =>
    (await readBuildRecord(workspace.path(out, name, "amd64"))).steps.map(({ cached }) => cached);

  it("of one template into one folder are one: the second waits, and finds the result", async () => {
    await workspace.template("same", mark("same"));
    const first = start(["same"]);
    await first.started("same");
    const second = start(["same"]);
    const waiting = await second.event(
      ({ ...event }) => event.type === "warning" && /^waiting for /.test(event.detail),
    );
    assert.ok(
      waiting.type === "warning" && waiting.detail.includes(`(pid ${String(first.pid)})`),
      JSON.stringify(waiting),
    );
    const ended = await Promise.all([first.end, second.end]);
    assertSucceeded(ended);
    assert.deepEqual(ended.map(ranSteps), [["same"], []]);
    assert.ok(!ended[1].events.some(({ type }) => type === "program-started"));
  });

  it("of one template into two folders make each layer once: one waits for the other's", async () => {
    await workspace.template("twice", mark("one"), mark("two"));
    const running = [start(["twice"], "--out", "left"), start(["twice"], "--out", "right")];
    const ended = await Promise.all(running.map(({ end }) => end));
    assertSucceeded(ended);
    assert.deepEqual(kept(ended), ["one", "two"]);
    assert.deepEqual(ended.flatMap(ranSteps).sort(), ["one", "two"]);
    const waited = running.map(({ pid }, index) => ({ pid, of: waits(ended[1 - index] ?? { events: [] }) }));
    assert.ok(
      waited.some(({ of }) => of.length > 0),
      "nobody waited",
    );
    for (const { pid, of } of waited) {
      const holder = new RegExp(`^step (one|two): kvci-build template .*\\(pid ${String(pid)}\\)$`);
      for (const wait of of) assert.match(wait, holder);
    }
    const records = await Promise.all(["left", "right"].map((out) => cachedIn("twice", out)));
    assert.deepEqual(
      records.flat().filter((cached) => !cached),
      [false, false],
    );
  });

  it("of two templates in one run make what they share once", async () => {
    await workspace.template("red", mark("warm-one"), mark("warm-two"), mark("red"));
    await workspace.template("blue", mark("warm-one"), mark("warm-two"), mark("blue"));
    const ended = await start(["red", "blue"], "--jobs", "2").end;
    assertSucceeded([ended]);
    assert.deepEqual(kept([ended]), ["blue", "red", "warm-one", "warm-two"]);
    assert.deepEqual(ranSteps(ended).sort(), ["blue", "red", "warm-one", "warm-two"]);
  });

  it("of five templates in four runs all succeed, and make what they share once", async function () {
    this.timeout(10 * 60_000);
    const own = ["ash", "elm", "fir", "oak", "yew"];
    for (const name of own) await workspace.template(name, mark("five-one"), mark("five-two"), mark(name));
    const [first = "", second = "", ...others] = own;
    const running = [start([first, second], "--jobs", "2"), ...others.map((name) => start([name]))];
    const ended = await Promise.all(running.map(({ end }) => end));
    assertSucceeded(ended);
    assert.deepEqual(kept(ended), [...own, "five-one", "five-two"].sort());
    assert.deepEqual(ended.flatMap(ranSteps).sort(), [...own, "five-one", "five-two"].sort());
    for (const name of own) assert.equal((await cachedIn(name)).length, 3);
  });

  it("do not wait for the dead: one of two that wait goes on where the killed one was", async () => {
    await workspace.template("killed", mark("quick"), mark("slow", 8));
    const outs = ["out", "left", "right"];
    const [first, ...waiting] = outs.map((out) => start(["killed"], "--out", out));
    assert.ok(first);
    // Whoever came first, has the claim; the others wait for it.
    const all = [first, ...waiting];
    const builder = await Promise.race(all.map((one) => one.started("slow").then(() => one)));
    const rest = all.filter((one) => one !== builder);
    await Promise.all(
      rest.map((one) => one.event(({ ...event }) => event.type === "waiting" && event.subject === "step slow")),
    );
    builder.kill("SIGKILL");
    const killed = await builder.end;
    assert.equal(killed.status, null);
    const ended = await Promise.all(rest.map(({ end }) => end));
    assertSucceeded(ended);
    assert.deepEqual(kept([killed, ...ended]), ["quick", "slow"]);
    assert.deepEqual(
      ended.flatMap(ranSteps).filter((name) => name === "slow"),
      ["slow"],
    );
    // What the killed one left goes with the next run, whatever that does.
    assertSucceeded([await workspace.run(["cache", "gc", "--max-size", "1000G", "--json"])]);
  });

  it("of a template and of one that is based on it, in one run, build the lower one once", async function () {
    this.timeout(10 * 60_000);
    await workspace.template("lower", mark("lower"));
    const upper = `import { defineStep, defineTemplate, fromTemplate, run } from "kvci-build";
export default defineTemplate({
  name: "upper",
  base: fromTemplate("lower"),
  disk: { sizeGiB: 3 },
  machine: { memoryMiB: 1024, cpus: 2 },
  steps: [defineStep("upper", [run("grep", "-q", "lower", "/etc/mark-lower")])],
});
`;
    await workspace.write("upper.ts", upper);
    const ended = await start(["upper", "lower"], "--jobs", "2").end;
    assertSucceeded([ended]);
    assert.deepEqual(ranSteps(ended).sort(), ["lower", "upper"]);
    const records = await Promise.all(
      ["lower", "upper"].map((name) => readBuildRecord(workspace.path("out", name, "amd64"))),
    );
    assert.equal(records[1]?.base.digest, records[0]?.planId);
  });
});
