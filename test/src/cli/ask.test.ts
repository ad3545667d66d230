import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { ask } from "../../../src/cli/ask.ts";
import type { App } from "../../../src/cli/app.ts";

const question = { text: "[r]etry, [l]ater? ", answers: { r: "retry", l: "later" }, otherwise: "later" } as const;

describe("question", () => {
  let abort: AbortController;
  let stdin: PassThrough;
  let stderr: PassThrough;
  beforeEach(() => {
    abort = new AbortController();
    [stdin, stderr] = [new PassThrough(), new PassThrough()];
  });
  const asked = (): Promise<string> => ask({ stdin, stderr, signal: abort.signal } as unknown as App, question);

  it("takes a letter or the word", async () => {
    for (const line of ["r\n", "Retry\n", " r \n"]) {
      stdin = new PassThrough();
      stdin.write(line);
      assert.equal(await asked(), "retry", line);
    }
  });

  it("is asked again until the answer is one", async () => {
    const answer = asked();
    stdin.write("what?\n");
    await new Promise(setImmediate);
    stdin.write("r\n");
    assert.equal(await answer, "retry");
    assert.equal(String(stderr.read()), question.text.repeat(2));
  });

  it("has an answer for an empty line and for the end of the input", async () => {
    stdin.write("\n");
    assert.equal(await asked(), "later");
    stdin = new PassThrough();
    stdin.end();
    assert.equal(await asked(), "later");
  });

  it("ends with the command", async () => {
    const answer = asked();
    abort.abort(new Error("stopped"));
    await assert.rejects(answer, /stopped/);
  });
});
