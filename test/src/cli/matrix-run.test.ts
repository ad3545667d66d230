import assert from "node:assert/strict";
import { setImmediate as settled } from "node:timers/promises";
import { runJobs, type Job, type Outcome } from "../../../src/cli/matrix-run.ts";

function job(id: string, makes: readonly string[], after: readonly string[] = []): Job {
  return { id, makes, after };
}

interface Working {
  readonly made: (count: number) => void;
  readonly end: (ok?: boolean) => void;
  readonly fail: (error: Error) => void;
}

/** A run whose jobs the test takes forward. */
class Stage {
  readonly working = new Map<string, Working>();
  readonly begun: string[] = [];
  readonly result: Promise<Map<string, Outcome<string>>>;

  constructor(jobs: readonly Job[], limit: number, signal = new AbortController().signal) {
    this.result = runJobs(jobs, {
      limit,
      signal,
      work: ({ id }, made) => {
        const { promise, resolve, reject } = Promise.withResolvers<{ ok: boolean; value: string }>();
        this.begun.push(id);
        this.working.set(id, { made, end: (ok = true) => resolve({ ok, value: `${id} done` }), fail: reject });
        return promise.finally(() => this.working.delete(id));
      },
    });
  }

  /** Does something with a running job and lets the others follow. */
  async step(id: string, act: (one: Working) => void): Promise<void> {
    const one = this.working.get(id);
    assert.ok(one, `${id} does not run`);
    act(one);
    await settled();
  }
}

describe("a run of jobs", () => {
  it("has as many at once as are allowed, in the order given", async () => {
    const stage = new Stage([job("a", ["1"]), job("b", ["2"]), job("c", ["3"])], 2);
    assert.deepEqual(stage.begun, ["a", "b"]);
    await stage.step("b", ({ end }) => end());
    assert.deepEqual(stage.begun, ["a", "b", "c"]);
    await stage.step("a", ({ end }) => end());
    await stage.step("c", ({ end }) => end());
    assert.deepEqual([...(await stage.result).keys()], ["a", "b", "c"]);
  });

  it("gives no place to a job whose shared beginning is still being made", async () => {
    const jobs = [
      job("red", ["base", "boot", "os", "red"]),
      job("blue", ["base", "boot", "os", "blue"]),
      job("x", ["y"]),
    ];
    const stage = new Stage(jobs, 2);
    assert.deepEqual(stage.begun, ["red", "x"]);
    await stage.step("x", ({ end }) => end());
    await stage.step("red", ({ made }) => made(2));
    assert.deepEqual(stage.begun, ["red", "x"]);
    await stage.step("red", ({ made }) => made(3));
    assert.deepEqual(stage.begun, ["red", "x", "blue"]);
    await stage.step("red", ({ end }) => end());
    await stage.step("blue", ({ end }) => end());
    assert.deepEqual(
      [...(await stage.result).values()].map(({ kind }) => kind),
      ["done", "done", "done"],
    );
  });

  it("goes on with another when the one that made the shared part fails", async () => {
    const stage = new Stage([job("red", ["os", "red"]), job("blue", ["os", "blue"])], 2);
    await stage.step("red", ({ fail }) => fail(new RangeError("no disk")));
    assert.deepEqual(stage.begun, ["red", "blue"]);
    await stage.step("blue", ({ end }) => end());
    const outcomes = await stage.result;
    assert.equal(outcomes.get("red")?.kind, "failed");
    assert.equal(outcomes.get("blue")?.kind, "done");
  });

  it("begins with what most others wait for", async () => {
    const jobs = [job("lone", ["l"]), job("top", ["t"], ["low"]), job("low", ["b"]), job("other", ["o"], ["low"])];
    const stage = new Stage(jobs, 1);
    assert.deepEqual(stage.begun, ["low"]);
    await stage.step("low", ({ end }) => end());
    for (const id of ["lone", "top", "other"]) await stage.step(id, ({ end }) => end());
    assert.deepEqual(stage.begun, ["low", "lone", "top", "other"]);
  });

  it("does not begin what needs a job that failed, directly or not, and says which", async () => {
    const jobs = [job("low", ["1"]), job("mid", ["2"], ["low"]), job("top", ["3"], ["mid"]), job("own", ["4"])];
    const stage = new Stage(jobs, 1);
    await stage.step("low", ({ end }) => end(false));
    await stage.step("own", ({ end }) => end());
    const outcomes = await stage.result;
    assert.deepEqual(outcomes.get("low"), { kind: "done", value: "low done" });
    assert.deepEqual(outcomes.get("mid"), { kind: "not-begun", because: "low" });
    assert.deepEqual(outcomes.get("top"), { kind: "not-begun", because: "mid" });
    assert.deepEqual(outcomes.get("own"), { kind: "done", value: "own done" });
  });

  it("begins nothing more when it is stopped, and waits for what runs", async () => {
    const stop = new AbortController();
    const stage = new Stage([job("a", ["1"]), job("b", ["2"])], 1, stop.signal);
    stop.abort();
    await stage.step("a", ({ fail }) => fail(new RangeError("stopped")));
    const outcomes = await stage.result;
    assert.equal(outcomes.get("a")?.kind, "failed");
    assert.deepEqual(outcomes.get("b"), { kind: "not-begun", because: undefined });
    assert.deepEqual(stage.begun, ["a"]);
  });

  it("of nothing ends at once", async () => {
    assert.equal((await new Stage([], 2).result).size, 0);
  });
});
