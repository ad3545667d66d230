import assert from "node:assert/strict";
import type { KvciError } from "../../../src/core/error.ts";
import { runProgram, type ProgramOptions } from "../../../src/host/program.ts";

const options = (more: Partial<ProgramOptions> = {}): ProgramOptions => ({
  signal: new AbortController().signal,
  timeoutMs: 10_000,
  ...more,
});

describe("host program", () => {
  it("is run without a shell and gives its standard output as it is", async () => {
    assert.equal(await runProgram(["printf", "%s\n", "$HOME 'a  b'"], options()), "$HOME 'a  b'\n");
  });

  it("reads what it is given and sees what is added to its environment", async () => {
    const script = 'cat; echo "$ADDED"';
    assert.equal(
      await runProgram(["sh", "-c", script], options({ stdin: "in\n", env: { ADDED: "yes" } })),
      "in\nyes\n",
    );
  });

  it("says which package to install when it is not there", async () => {
    await assert.rejects(runProgram(["no-such-program-anywhere"], options()), {
      code: "program-missing",
      message: "no-such-program-anywhere is not installed",
      hint: /Install no-such-program-anywhere with your package manager/,
    });
  });

  it("keeps its last words when it fails", async () => {
    const script = "for i in $(seq 30); do echo line $i >&2; done; exit 3";
    await assert.rejects(runProgram(["sh", "-c", script], options()), (error: KvciError) => {
      assert.equal(error.code, "program-failed");
      assert.equal(error.message, "sh exited 3");
      assert.equal(error.evidence.length, 15);
      assert.equal(error.evidence.at(-1), "line 30");
      return true;
    });
  });

  it("tells a full disk from other failures", async () => {
    const script = "echo 'write failed: No space left on device' >&2; exit 1";
    await assert.rejects(runProgram(["sh", "-c", script], options()), { code: "store-full" });
  });

  it("is ended at its deadline and on abort", async () => {
    await assert.rejects(runProgram(["sleep", "30"], options({ timeoutMs: 100 })), {
      code: "program-failed",
      message: "sleep did not end within 0.1 s",
    });
    await assert.rejects(runProgram(["sleep", "30"], options({ signal: AbortSignal.timeout(100) })), {
      code: "interrupted",
    });
  });

  it("reports its start and its output", async () => {
    const seen: string[] = [];
    const onOutput: ProgramOptions["onOutput"] = (stream, text) => seen.push(`${stream}: ${text}`);
    await runProgram(["sh", "-c", "echo out; sleep 0.05; echo err >&2"], options({ onOutput }));
    assert.deepEqual(seen, ["stdout: out\n", "stderr: err\n"]);
  });
});
