import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, appendFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "../../../src/core/digest.ts";
import { silentJournal } from "../../../src/core/journal.ts";
import type { JsonValue } from "../../../src/publish/json.ts";
import { begunSteps, openLedger, readLedgers, rememberedBy, type Ledger } from "../../../src/publish/ledger.ts";
import { PHASES } from "../../../src/publish/phase.ts";
import { assertFresh, makePublishPlan, type PublishPlan } from "../../../src/publish/plan.ts";
import { parsePlan } from "../../../src/publish/plan-file.ts";
import { runStatus } from "../../../src/publish/run-status.ts";
import { rollBack } from "../../../src/publish/rollback.ts";
import { runPlan, type LeftOut, type RunPorts } from "../../../src/publish/run-plan.ts";
import { broken, FakePublisher, fakeStep } from "../../fakes/fake-publisher.ts";
import { releaseBuild } from "./release-build.ts";

const { signal } = new AbortController();
const builds = [releaseBuild()];

describe("publish run", () => {
  let folder: string;
  let runs = 0;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-publish-"));
    runs = 0;
  });

  afterEach(() => rm(folder, { recursive: true }));

  async function run(publishers: readonly FakePublisher[], wrap = (ledger: Ledger): Ledger => ledger) {
    const plan = await makePublishPlan(builds, publishers, signal);
    runs += 1;
    const ledger = await openLedger(folder, { run: `run-${String(runs)}`, now: () => Date.UTC(2026, 0, 1) + runs });
    await ledger.append(begun(plan, ledger.run));
    const remembered = rememberedBy(await readLedgers(folder), plan.subject);
    try {
      return await runPlan(plan, ports(publishers, { ledger: wrap(ledger), remembered }));
    } finally {
      await ledger[Symbol.asyncDispose]();
    }
  }

  function ports(
    publishers: readonly FakePublisher[],
    rest: { readonly ledger: Ledger; readonly remembered: Map<string, JsonValue> },
  ): RunPorts {
    return { publishers, journal: silentJournal, signal, afterPhase: () => Promise.resolve(), ...rest };
  }

  it("finishes a phase at all required places before the next begins", async () => {
    const aws = new FakePublisher("aws", [{ place: "eu" }, { place: "us" }]);
    const quay = new FakePublisher("quay", [{ place: "quay.example" }]);
    const order: string[] = [];
    for (const each of [aws, quay]) {
      const original = each.run.bind(each);
      each.run = async (step) => {
        order.push(step.phase);
        return original(step);
      };
    }
    assert.deepEqual(await run([aws, quay]), []);
    assert.deepEqual(
      order,
      PHASES.flatMap((phase) => [phase, phase, phase]),
    );
  });

  it("exposes nothing when a required place fails, and goes on where it stopped", async () => {
    const aws = new FakePublisher("aws", [{ place: "eu" }, { place: "us" }]);
    aws.failing.set("aws/us/replicate", broken("no room"));
    await assert.rejects(run([aws]), { code: "publish-failed", message: "us: replicate us: no room" });
    assert.ok(!aws.done.some((id) => id.endsWith("/publish")));
    aws.failing.clear();
    const before = aws.done.length;
    await run([aws]);
    assert.equal(aws.done.length, 2 * PHASES.length);
    assert.ok(before < aws.done.length);
  });

  it("leaves out a place that is not required, and says so", async () => {
    const aws = new FakePublisher("aws", [{ place: "eu" }, { place: "us", required: false }]);
    aws.failing.set("aws/us/register", broken("opted out"));
    const leftOut: readonly LeftOut[] = await run([aws]);
    assert.deepEqual(
      leftOut.map(({ place, error }) => [place, error.code]),
      [["us", "publish-failed"]],
    );
    assert.deepEqual(
      aws.done.filter((id) => id.startsWith("aws/us/")),
      ["aws/us/stage"],
    );
    assert.ok(aws.done.includes("aws/eu/supersede"));
  });

  it("does nothing the second time", async () => {
    const aws = new FakePublisher("aws", [{ place: "eu" }]);
    await run([aws]);
    const plan = await makePublishPlan(builds, [aws], signal);
    assert.deepEqual(plan.steps, []);
  });

  it("comes to the same end after a crash at any write of its ledger", async () => {
    const clean = new FakePublisher("aws", [{ place: "eu" }, { place: "us" }]);
    await run([clean]);
    const writes = 2 * clean.done.length;
    for (let at = 0; at < writes; at += 1) {
      const aws = new FakePublisher("aws", [{ place: "eu" }, { place: "us" }]);
      await assert.rejects(run([aws], (ledger) => crashing(ledger, at)));
      await run([aws]);
      assert.deepEqual([...aws.done].sort(), [...clean.done].sort(), `crash at write ${String(at)}`);
    }
  });

  it("is taken back last first, also what a crash left in the middle", async () => {
    const aws = new FakePublisher("aws", [{ place: "eu" }]);
    await assert.rejects(run([aws], (ledger) => crashing(ledger, 5)));
    assert.equal(aws.done.length, 3);
    const [found] = await readLedgers(folder);
    assert.ok(found);
    assert.equal(begunSteps(found).at(-1)?.result, undefined);
    const ledger = await openLedger(folder, { run: found.run, now: Date.now });
    const undone = await rollBack(found, ports([aws], { ledger, remembered: new Map() }));
    await ledger[Symbol.asyncDispose]();
    assert.deepEqual(undone, ["aws/eu/replicate", "aws/eu/register", "aws/eu/stage"]);
    assert.deepEqual(aws.done, []);
    const [after] = await readLedgers(folder);
    assert.deepEqual(after && begunSteps(after), []);
  });

  it("keeps its ledger from other users, and reads one with a torn end", async () => {
    const aws = new FakePublisher("aws", [{ place: "eu" }]);
    await run([aws]);
    const path = join(folder, "run-1.jsonl");
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    await appendFile(path, '{"type":"intended","step":"half');
    const ledger = await openLedger(folder, { run: "run-1", now: Date.now });
    await ledger.append({ type: "ended", outcome: "published" });
    await ledger[Symbol.asyncDispose]();
    const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
    assert.ok(lines.every((line) => JSON.parse(line) !== undefined));
    assert.match(lines.at(-1) ?? "", /"ended"/);
  });

  it("refuses a plan that was made for something else", async () => {
    const aws = new FakePublisher("aws", [{ place: "eu" }]);
    const plan = await makePublishPlan(builds, [aws], signal);
    aws.done.push("aws/eu/stage");
    const now = await makePublishPlan(builds, [aws], signal);
    assert.throws(
      () => {
        assertFresh(plan, now);
      },
      { code: "publish-stale-plan", evidence: ["no longer needed: aws/eu/stage"] },
    );
  });

  it("lets what is left of a plan through when a run began it, and nothing that is new", async () => {
    const aws = new FakePublisher("aws", [{ place: "eu" }]);
    const kept = parsePlan(JSON.stringify(await makePublishPlan(builds, [aws], signal)), "plan.json");
    aws.done.push("aws/eu/stage");
    const left = await makePublishPlan(builds, [aws], signal);
    assert.doesNotThrow(() => assertFresh(kept, left, { resuming: true }));
    const late = { ...left, steps: [...left.steps, fakeStep({ target: "aws", place: "us", phase: "stage" })] };
    assert.throws(() => assertFresh(kept, { ...late, id: sha256("late") }, { resuming: true }), {
      code: "publish-stale-plan",
      evidence: ["no longer needed: aws/eu/stage", "needed by now: aws/us/stage"],
    });
    assert.throws(() => parsePlan("{}", "plan.json"), { code: "usage", message: /^plan\.json is not a plan/ });
  });

  it("is interrupted, and not done, when it is stopped while its last steps come to a good end", async () => {
    const aws = new FakePublisher("aws", [{ place: "eu", phases: ["stage", "register"] }]);
    const stop = new AbortController();
    const stage = aws.run.bind(aws);
    aws.run = (step) => {
      stop.abort();
      return stage(step);
    };
    const plan = await makePublishPlan(builds, [aws], signal);
    const ledger = await openLedger(folder, { run: "run-1", now: Date.now });
    const rest = { ...ports([aws], { ledger, remembered: new Map() }), signal: stop.signal };
    await assert.rejects(runPlan(plan, rest), { code: "interrupted" });
    await ledger[Symbol.asyncDispose]();
    assert.deepEqual(aws.done, ["aws/eu/stage"]);
  });

  it("fails of its step, whatever is wrong with what comes after the phase", async () => {
    const aws = new FakePublisher("aws", [{ place: "eu" }]);
    aws.failing.set("aws/eu/stage", broken("no room"));
    const plan = await makePublishPlan(builds, [aws], signal);
    const ledger = await openLedger(folder, { run: "run-1", now: Date.now });
    const afterPhase = () => Promise.reject(broken("no list"));
    const rest = { ...ports([aws], { ledger, remembered: new Map() }), afterPhase };
    await assert.rejects(runPlan(plan, rest), { message: "eu: stage eu: no room" });
    await ledger[Symbol.asyncDispose]();
  });

  it("is told step by step from its ledger", async () => {
    const aws = new FakePublisher("aws", [{ place: "eu", phases: ["stage", "register"] }]);
    aws.failing.set("aws/eu/register", broken("no room"));
    await assert.rejects(run([aws]));
    const [found] = await readLedgers(folder);
    assert.ok(found);
    const { outcome, steps } = runStatus(found);
    assert.equal(outcome, "unfinished");
    assert.deepEqual(
      steps.map(({ id, state, message }) => [id, state, message]),
      [
        ["aws/eu/stage", "done", undefined],
        ["aws/eu/register", "failed", "eu: register eu: no room"],
      ],
    );
  });

  it("starts a step when those that it needs are done", async () => {
    const aws = new FakePublisher("aws", []);
    const [first, second] = ["b", "a"].map((place) => fakeStep({ target: "aws", place, phase: "stage" }));
    assert.ok(first && second);
    const steps = [{ ...second, needs: [first.id] }, first];
    aws.diff = () => steps;
    await run([aws]);
    assert.deepEqual(aws.done, [first.id, second.id]);
  });
});

function begun(plan: PublishPlan, run: string) {
  const { subject, targets } = plan;
  return { type: "run", formatVersion: 1, run, subject, plan: plan.id, targets, what: ["node"], tool: "test" } as const;
}

/** A ledger that dies before its write number `at`: the process is gone, the file as it was. */
function crashing(ledger: Ledger, at: number): Ledger {
  let writes = 0;
  return {
    ...ledger,
    append: (record) => (writes++ >= at ? Promise.reject(new Error("killed")) : ledger.append(record)),
  };
}
