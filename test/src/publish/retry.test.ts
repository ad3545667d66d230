import assert from "node:assert/strict";
import { retrying, type RetryOptions } from "../../../src/publish/retry.ts";

const { signal } = new AbortController();

describe("retry", () => {
  const options: RetryOptions = {
    what: "ask",
    deadlineMs: 10_000,
    signal,
    baseMs: 1,
    random: () => 0.5,
    classify: (error) => {
      const { message } = error as Error;
      if (message === "busy") return { kind: "throttled", afterMs: 20 };
      return message === "no" ? { kind: "final", error } : { kind: "again" };
    },
  };

  it("tries again until it works, and waits as long as the server asks", async () => {
    const answers = ["reset", "busy"];
    const waits: number[] = [];
    const result = await retrying(() => answer(answers), {
      ...options,
      onRetry: ({ waitMs }) => waits.push(waitMs),
    });
    assert.equal(result, "done");
    assert.deepEqual(waits, [1, 20]);
  });

  it("does not try again what would fail again", async () => {
    let tries = 0;
    await assert.rejects(
      retrying(() => {
        tries += 1;
        return Promise.reject(new Error("no"));
      }, options),
      { message: "no" },
    );
    assert.equal(tries, 1);
  });

  it("gives up at its deadline, and says which trouble it was", async () => {
    const failing = (message: string) =>
      retrying(() => Promise.reject(new Error(message)), { ...options, deadlineMs: 15 });
    await assert.rejects(failing("busy"), { code: "publish-throttled", evidence: ["tried once", "busy"] });
    await assert.rejects(failing("reset"), { code: "publish-failed", message: /^ask: failed until the deadline/ });
  });

  it("ends at once when it is stopped", async () => {
    const stop = new AbortController();
    const work = retrying(() => Promise.reject(new Error("reset")), {
      ...options,
      signal: stop.signal,
      baseMs: 10_000,
    });
    stop.abort();
    await assert.rejects(work, { code: "interrupted" });
  });
});

function answer(failures: string[]): Promise<string> {
  const message = failures.shift();
  return message === undefined ? Promise.resolve("done") : Promise.reject(new Error(message));
}
