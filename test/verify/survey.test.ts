import assert from "node:assert/strict";
import { KvciError } from "../../src/core/error.ts";
import { pass, type Check } from "../../verify/check.ts";
import { OUTPUT_LIMIT_BYTES, survey } from "../../verify/survey.ts";
import { FakeClone, NOW, ScriptedMachine, type Scripted } from "./fake-clone.ts";

const check = (name: string, probe?: string): Check => ({
  name,
  proves: "Nothing.",
  timeoutMs: 1_500,
  judge: () => pass("fine"),
  ...(probe === undefined ? {} : { probe }),
});
const CHECKS = [check("one", "echo 1"), check("silent"), check("two", "echo 'it''s'")];

function ask(answers: readonly Scripted[], end: ConstructorParameters<typeof ScriptedMachine>[1] = {}) {
  let ticks = 0;
  const now = (): number => NOW + 10 * ticks++;
  const machine = new ScriptedMachine(answers, end);
  const result = survey(new FakeClone("verify-a", machine), CHECKS, { signal: new AbortController().signal, now });
  return { machine, result };
}

describe("survey", () => {
  it("asks all probes in one script and tells their answers apart", async () => {
    const { machine, result } = ask(["1\n", { status: 3, output: "2" }]);
    const answers = await result;
    assert.equal(machine.scripts.length, 1);
    assert.deepEqual([...answers.keys()], ["one", "two"]);
    const { askedFrom, askedUntil, ...one } = answers.get("one") ?? { askedFrom: 0, askedUntil: 0 };
    assert.deepEqual(one, { status: 0, reason: "", output: "1\n", cut: false, durationMs: 10 });
    assert.deepEqual([askedFrom, askedUntil], [NOW, NOW + 10]);
    assert.equal(answers.get("two")?.status, 3);
  });

  it("gives each probe its deadline inside the guest", async () => {
    const { machine, result } = ask(["", ""]);
    await result;
    assert.match(machine.scripts[0] ?? "", /^timeout -k 5 2 sh -eu -c 'echo 1' <\/dev\/null/m);
  });

  it("keeps more of an answer whose check needs it, in the guest as here", async () => {
    const long = { ...check("long", "true"), answerLimitBytes: OUTPUT_LIMIT_BYTES + 2 };
    const machine = new ScriptedMachine(["x".repeat(OUTPUT_LIMIT_BYTES + 1), "x".repeat(OUTPUT_LIMIT_BYTES + 1)]);
    const options = { signal: new AbortController().signal, now: () => NOW };
    const answers = await survey(new FakeClone("verify-a", machine), [long, check("short", "true")], options);
    assert.deepEqual([answers.get("long")?.cut, answers.get("short")?.cut], [false, true]);
    assert.equal(answers.get("short")?.output.length, OUTPUT_LIMIT_BYTES);
    assert.match(machine.scripts[0] ?? "", new RegExp(`head -c ${String(OUTPUT_LIMIT_BYTES + 3)} `));
  });

  it("runs nothing when no check has a probe", async () => {
    const machine = new ScriptedMachine([]);
    const options = { signal: new AbortController().signal, now: () => NOW };
    const answers = await survey(new FakeClone("verify-a", machine), [check("silent")], options);
    assert.equal(answers.size, 0);
    assert.equal(machine.scripts.length, 0);
  });

  it("keeps the answers that came before the clone was lost", async () => {
    const error = new KvciError("machine-lost", "the connection broke", { hint: "See the console." });
    const answers = await ask(["1\n"], { error }).result;
    assert.equal(answers.get("one")?.status, 0);
    assert.deepEqual([answers.get("two")?.status, answers.get("two")?.reason], [undefined, "the connection broke"]);
  });

  it("says when the script ended early", async () => {
    const answers = await ask(["1\n"], { exitCode: 1 }).result;
    assert.match(answers.get("two")?.reason ?? "", /ended with status 1 before this probe/);
  });

  it("keeps a bounded part of a long answer and says so", async () => {
    const answers = await ask(["x".repeat(OUTPUT_LIMIT_BYTES + 1), "x".repeat(OUTPUT_LIMIT_BYTES)]).result;
    assert.equal(answers.get("one")?.output.length, OUTPUT_LIMIT_BYTES);
    assert.deepEqual([answers.get("one")?.cut, answers.get("two")?.cut], [true, false]);
  });

  it("passes an interruption on", async () => {
    const error = new KvciError("interrupted", "stopped", { hint: "Again." });
    await assert.rejects(ask([], { error }).result, error);
  });
});
