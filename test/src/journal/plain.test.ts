import assert from "node:assert/strict";
import type { BuildEvent } from "../../../src/core/event.ts";
import { createJournal } from "../../../src/journal/event-journal.ts";
import { plainSink, type PlainOptions } from "../../../src/journal/plain.ts";
import { FakeTime, TextStream } from "./fake-terminal.ts";

const started = (index: number, summary: string): BuildEvent => ({ type: "op-started", index, total: 2, summary });
const ended = (index: number, status: number): BuildEvent => ({ type: "op-ended", index, status, durationMs: 1_500 });
const output = (text: string, stream: "stdout" | "stderr" = "stdout"): BuildEvent => ({ type: "output", stream, text });

function open(options: Partial<PlainOptions> = {}) {
  const stream = new TextStream();
  const time = new FakeTime();
  const sink = plainSink({
    stream,
    clock: time.clock,
    ticker: time.ticker,
    stepsOf: () => ["first", "second"],
    ...options,
  });
  return { stream, time, journal: createJournal({ build: "quickstart-amd64", sinks: [sink], clock: time.clock }) };
}

describe("plain lines", () => {
  it("tell a build from start to end", async () => {
    const { stream, time, journal } = open();
    await journal.span({ name: "quickstart", kind: "build" }, async (build) => {
      build.emit({ type: "leftover-removed", what: "QEMU 4711" });
      await build.span({ name: "steps", kind: "phase" }, async (phase) => {
        phase.emit({ type: "accelerator-chosen", accelerator: "TCG", reason: "no /dev/kvm" });
        phase.emit({ type: "guest-ready", afterMs: 27_400, address: "127.0.0.1:2222" });
        await phase.span({ name: "second", kind: "step" }, async (step) => {
          step.emit(started(0, "apt-get update"));
          step.emit(output("noise\n"));
          time.pass(1_500);
          step.emit(ended(0, 0));
          return Promise.resolve();
        });
        phase.emit({ type: "cache-hit", what: "layer 1", digest: "sha256:x" });
        phase.emit({ type: "warning", subject: "disk", detail: "is large" });
        phase.emit({ type: "finding", check: "boots", ok: false, detail: "no answer" });
      });
    });
    await journal.close();
    assert.deepEqual(stream.lines, [
      "build quickstart started",
      "removed what an earlier run left behind: QEMU 4711",
      "steps",
      "  accelerator TCG: no /dev/kvm",
      "  guest answered at 127.0.0.1:2222 after 27.4 s",
      "  [2/2] second",
      "    1/2 apt-get update",
      "  [2/2] second done in 1.5 s",
      "  cached: layer 1",
      "  warning: disk: is large",
      "  FAILED boots: no answer",
      "steps done in 1.5 s",
      "build quickstart done in 1.5 s",
    ]);
    assert.equal(time.tickers, 0);
  });

  it("show the last 20 lines of a failing op, late standard error and text without a line end among them", async () => {
    const { stream, journal } = open();
    const work = journal.span({ name: "first", kind: "step" }, (step) => {
      step.emit(started(0, "true"));
      step.emit(output("of another op\n"));
      step.emit(ended(0, 0));
      step.emit(started(1, "dnf install kubelet"));
      step.emit(output(Array.from({ length: 30 }, (_, index) => `line ${String(index)}\n`).join("")));
      step.emit(ended(1, 1));
      step.emit(output("\u001B[31mE: no such package\u001B[0m", "stderr"));
      return Promise.reject(new Error("x"));
    });
    await assert.rejects(work);
    const lines = stream.lines.slice(-23);
    assert.equal(lines[0], "2/2 dnf install kubelet");
    assert.equal(lines[1], "2/2 exited 1 after 1.5 s: dnf install kubelet");
    assert.deepEqual(lines.slice(2, 4), ["| line 11", "| line 12"]);
    assert.deepEqual(lines.slice(-3), ["| line 29", "| E: no such package", "[1/2] first FAILED after 0.0 s"]);
    assert.ok(!stream.text.includes("of another op"));
  });

  it("show all output when verbose, each line once", async () => {
    const { stream, journal } = open({ verbose: true });
    const work = journal.span({ name: "first", kind: "step" }, (step) => {
      step.emit(output("one\ntw"));
      step.emit(output("o\n"));
      return Promise.reject(new Error("x"));
    });
    await assert.rejects(work);
    assert.deepEqual(stream.lines, ["[1/2] first", "| one", "| two", "[1/2] first FAILED after 0.0 s"]);
  });

  it("mention a slow op every 30 s", async () => {
    const { stream, time, journal } = open();
    await journal.span({ name: "first", kind: "step" }, (step) => {
      step.emit(started(0, "apt-get install -y containerd"));
      time.pass(65_000);
      step.emit(ended(0, 0));
      time.pass(65_000);
      return Promise.resolve();
    });
    assert.deepEqual(
      stream.lines.filter((line) => line.includes("still")),
      ["still running: apt-get install -y containerd 30 s", "still running: apt-get install -y containerd 1 m 00 s"],
    );
  });

  it("report a transfer at most every 10 s, and its end", () => {
    const { stream, time, journal } = open();
    for (let second = 0; second <= 25; second += 1) {
      journal.emit({ type: "transfer", name: "disk.qcow2", doneBytes: second * 1024 ** 2, totalBytes: 25 * 1024 ** 2 });
      time.pass(1_000);
    }
    journal.emit({ type: "transfer", name: "unknown size", doneBytes: 2048, totalBytes: 0 });
    assert.deepEqual(stream.lines, [
      "disk.qcow2: 0 % of 25 MiB",
      "disk.qcow2: 40 % of 25 MiB",
      "disk.qcow2: 80 % of 25 MiB",
      "disk.qcow2: 100 % of 25 MiB",
      "unknown size: 2 KiB",
    ]);
  });

  it("begin with the name of their build when there are several", () => {
    const { stream, journal } = open({ severalBuilds: true });
    journal.forBuild({ build: "k8s-arm64" }).emit({ type: "cache-hit", what: "base", digest: "sha256:x" });
    assert.deepEqual(stream.lines, ["k8s-arm64: cached: base"]);
  });
});
