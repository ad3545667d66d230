import assert from "node:assert/strict";
import { programOutput } from "../../../src/host/program-output.ts";

describe("program output", () => {
  it("has both streams", async () => {
    const options = { signal: new AbortController().signal, timeoutMs: 10_000 };
    const text = await programOutput(["sh", "-c", "echo out; sleep 0.05; echo err >&2"], options);
    assert.equal(text, "out\nerr\n");
  });
});
