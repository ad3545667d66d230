import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { KvciError } from "../../src/core/error.ts";
import type { Finding } from "../../src/core/finding.ts";
import { pass, type Check } from "../../verify/check.ts";
import { runChecks } from "../../verify/run-checks.ts";
import { RecordingJournal } from "../fakes/recording-journal.ts";
import { DISK, FakeClone, NOW, ScriptedMachine, type Scripted } from "./fake-clone.ts";

const check = (name: string, judge: Check["judge"]): Check => ({
  name,
  proves: "Nothing.",
  timeoutMs: 20,
  probe: "true",
  judge,
});
const fine = check("fine", () => pass("fine"));

function run(checks: readonly Check[], machines: readonly ScriptedMachine[], signal = new AbortController().signal) {
  const journal = new RecordingJournal();
  const clones = machines.map((machine, index) => new FakeClone(`verify-${String(index)}`, machine));
  return { journal, findings: runChecks(checks, clones, { disk: DISK, journal, signal, now: () => NOW }) };
}

async function only(checks: readonly Check[], answers: readonly Scripted[]): Promise<Finding | undefined> {
  return (await run(checks, [new ScriptedMachine(answers)]).findings)[0];
}

describe("runChecks", () => {
  it("reports every finding, also after one that throws", async () => {
    const cause = new KvciError("command-failed", "no such command", { hint: "Install it.", evidence: ["line"] });
    const broken = check("broken", () => Promise.reject(cause));
    const { journal, findings } = run([broken, fine], [new ScriptedMachine(["", ""])]);
    assert.deepEqual(await findings, [
      { check: "broken", ok: false, detail: "no such command", evidence: ["line"], durationMs: 0 },
      { check: "fine", ok: true, detail: "fine", evidence: [], durationMs: 0 },
    ]);
    assert.deepEqual(
      journal.of("finding").map(({ check: name, ok, detail }) => [name, ok, detail]),
      [
        ["broken", false, "no such command"],
        ["fine", true, "fine"],
      ],
    );
    assert.deepEqual(journal.endedSpans(), ["ask the clones", "broken", "fine"]);
  });

  it("gives the judgement every clone's answer, and the machines", async () => {
    const seen: unknown[] = [];
    const look = check("look", (subjects) => {
      for (const { name, output, machine, bootMs } of subjects) {
        seen.push([name, output, machine instanceof ScriptedMachine, bootMs]);
      }
      return pass("seen");
    });
    await run([look], [new ScriptedMachine(["a"]), new ScriptedMachine(["b"])]).findings;
    assert.deepEqual(seen, [
      ["verify-0", "a", true, 31_250],
      ["verify-1", "b", true, 31_250],
    ]);
  });

  it("fails a check at its deadline, whether it looks at the signal or not", async () => {
    const deaf = check("deaf", async () => {
      await delay(2_000, undefined, { ref: false });
      return pass("late");
    });
    assert.equal((await only([deaf], [""]))?.detail, "no verdict within 0.02 s");
  });

  for (const [answer, detail] of [
    [{ status: 124, output: "half" }, "verify-0: no answer within 0.02 s"],
    [{ status: 137, output: "" }, "verify-0: no answer within 0.02 s"],
    [{ status: 127, output: "sh: 1: lsblk: not found" }, "verify-0: the probe itself ended with status 127"],
    ["x".repeat(9_000), "verify-0: the answer is too long to be judged"],
  ] as const) {
    it(`does not let a check pass for want of an answer: ${detail}`, async () => {
      const finding = await only([fine], [answer]);
      assert.equal(finding?.ok, false);
      assert.equal(finding.detail, detail);
    });
  }

  it("fails what a lost clone did not answer, with the reason", async () => {
    const error = new KvciError("machine-lost", "the connection broke", { hint: "See the console." });
    const { findings } = run([fine], [new ScriptedMachine([""]), new ScriptedMachine([], { error })]);
    assert.equal((await findings)[0]?.detail, "verify-1: no answer: the connection broke");
  });

  it("throws when it is stopped, instead of calling the disk bad", async () => {
    const stop = new AbortController();
    const slow = check("slow", () => {
      stop.abort();
      return delay(2_000, pass("late"), { ref: false });
    });
    await assert.rejects(run([slow], [new ScriptedMachine([""])], stop.signal).findings, { code: "interrupted" });
  });
});
