import assert from "node:assert/strict";
import type { Journal } from "../../../src/core/journal.ts";
import { createJournal, type BuildJournal } from "../../../src/journal/event-journal.ts";
import { plainPaint } from "../../../src/journal/paint.ts";
import type { Sink } from "../../../src/journal/sink.ts";
import { terminalSink } from "../../../src/journal/terminal.ts";
import { textWidth } from "../../../src/journal/text-width.ts";
import { FakeTerminal, FakeTime } from "./fake-terminal.ts";

const STEPS = ["swap-off", "containerd", "kubernetes"];

interface Scene {
  readonly sink: Sink;
  readonly terminal: FakeTerminal;
  readonly time: FakeTime;
  readonly journal: BuildJournal;
  readonly exit: (() => void)[];
}

async function open(severalBuilds = false): Promise<Scene> {
  const terminal = new FakeTerminal();
  const time = new FakeTime();
  const exit: (() => void)[] = [];
  const sink = await terminalSink({
    stream: terminal,
    stepsOf: () => STEPS,
    severalBuilds,
    clock: time.clock,
    ticker: time.ticker,
    paint: plainPaint,
    onExit: (work) => {
      exit.push(work);
      return () => void exit.splice(exit.indexOf(work), 1);
    },
  });
  return {
    terminal,
    time,
    exit,
    sink,
    journal: createJournal({ build: "quickstart-amd64", sinks: [sink], clock: time.clock }),
  };
}

/** Runs `look` in the midst of step 2, whose op has run for 12 s. */
async function inStep(journal: Journal, time: FakeTime, look: (step: Journal) => void | Promise<void>): Promise<void> {
  await journal.span({ name: "steps", kind: "phase" }, async (phase) => {
    await phase.span({ name: "swap-off", kind: "step" }, (step) => {
      step.emit({ type: "cache-hit", what: "layer 9f2c", digest: "sha256:9f2c" });
      return Promise.resolve();
    });
    await phase.span({ name: "containerd", kind: "step" }, async (step) => {
      step.emit({ type: "op-started", index: 1, total: 3, summary: "apt-get install -y containerd" });
      step.emit({ type: "output", stream: "stdout", text: "\u001B[1mUnpacking\u001B[0m runc ...\nSetting up con" });
      time.pass(12_000);
      await look(step);
    });
  });
}

const right = (text: string, time: string): string => text + time.padStart(79 - text.length);

describe("terminal", () => {
  it("keeps what is finished and shows what runs below", async () => {
    const { terminal, time, journal } = await open();
    await journal.span({ name: "boot", kind: "phase" }, (phase) => {
      phase.emit({ type: "accelerator-chosen", accelerator: "TCG", reason: "no /dev/kvm" });
      time.pass(27_400);
      return Promise.resolve();
    });
    await inStep(journal, time, () => {
      assert.deepEqual(
        terminal.lines.map((line) => line.replace(/[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]/, "*")),
        [
          "quickstart-amd64",
          right("✔ boot", "27.4 s"),
          "  TCG: no /dev/kvm",
          right("* steps", "12 s"),
          right("  ✔ 1/3 swap-off  layer 9f2c", "cached"),
          right("  * 2/3 containerd", "12 s"),
          right("    › 2/3 apt-get install -y containerd", "12 s"),
          "      Setting up con",
        ],
      );
    });
    await journal.close();
    assert.deepEqual(terminal.lines.slice(3), [
      right("✔ steps", "12.0 s"),
      right("  ✔ 1/3 swap-off  layer 9f2c", "cached"),
      right("  ✔ 2/3 containerd", "12.0 s"),
    ]);
  });

  it("hides the cursor and gives it back, also when the process just ends", async () => {
    const first = await open();
    assert.equal(first.terminal.cursorVisible, false);
    first.exit[0]?.();
    assert.equal(first.terminal.cursorVisible, true);
    const second = await open();
    await second.journal.close();
    assert.equal(second.terminal.cursorVisible, true);
    assert.deepEqual([second.exit.length, second.time.tickers, second.terminal.listenerCount("resize")], [0, 0, 0]);
  });

  it("leaves the screen to others for a while", async () => {
    const { terminal, time, journal, sink } = await open();
    await journal.span({ name: "steps", kind: "phase" }, () => {
      time.pass(200);
      const resume = sink.suspend?.();
      const shown = terminal.raw;
      time.pass(1_000);
      terminal.emit("resize");
      assert.equal(terminal.raw, shown, "drawn while suspended");
      assert.equal(terminal.cursorVisible, true);
      assert.ok(!terminal.text.includes("steps"), terminal.text);
      resume?.();
      time.pass(200);
      assert.equal(terminal.cursorVisible, false);
      assert.match(terminal.text, /steps/);
      return Promise.resolve();
    });
    await journal.close();
  });

  it("draws at most ten frames a second, however much is written", async () => {
    const { terminal, time, journal } = await open();
    await inStep(journal, time, (step) => {
      const frames = (): number => terminal.raw.split("\u001B[?2026h").length;
      const before = frames();
      for (let count = 0; count < 1_000; count += 1) {
        step.emit({ type: "output", stream: "stdout", text: `line ${String(count)}\n` });
        time.pass(1);
      }
      assert.ok(frames() - before <= 10, String(frames() - before));
    });
  });

  it("shows a failing op and marks all around it", async () => {
    const { terminal, time, journal } = await open();
    const work = inStep(journal, time, (step) => {
      step.emit({ type: "op-ended", index: 1, status: 100, durationMs: 12_000 });
      throw new Error("failed");
    });
    await assert.rejects(work);
    await journal.close();
    assert.deepEqual(terminal.lines.slice(1), [
      right("✖ steps", "12.0 s"),
      right("  ✔ 1/3 swap-off  layer 9f2c", "cached"),
      right("  ✖ 2/3 containerd", "12.0 s"),
      "    2/3 apt-get install -y containerd – exited 100",
    ]);
  });

  it("puts what never ended on the screen when it closes", async () => {
    const { terminal, time, journal } = await open();
    await inStep(journal, time, async () => {
      await journal.close();
    });
    assert.match(terminal.text, /✖ 2\/3 containerd .*\n {4}2\/3 apt-get install -y containerd – did not end$/);
    assert.equal(terminal.cursorVisible, true);
  });

  it("shows a transfer as a bar with bytes, rate and time left, and what it was afterwards", async () => {
    const { terminal, time, journal } = await open();
    const MIB = 1024 ** 2;
    await journal.span({ name: "base", kind: "phase" }, (phase) => {
      for (let second = 0; second <= 4; second += 1) {
        phase.emit({ type: "transfer", name: "disk.qcow2", doneBytes: second * 10 * MIB, totalBytes: 80 * MIB });
        if (second < 4) time.pass(1_000);
      }
      time.pass(100);
      assert.equal(terminal.lines.at(-1), "  disk.qcow2  ━━━━━━──────  50 %  40 / 80 MiB  9.76 MiB/s  5 s left");
      phase.emit({ type: "transfer", name: "disk.qcow2", doneBytes: 80 * MIB, totalBytes: 80 * MIB });
      return Promise.resolve();
    });
    await journal.close();
    assert.deepEqual(terminal.lines.slice(2), ["  disk.qcow2: 80 MiB at 19.5 MiB/s"]);
  });

  it("shows the host program that runs where there is no op", async () => {
    const { terminal, time, journal } = await open();
    await journal.span({ name: "export", kind: "phase" }, (phase) => {
      phase.emit({ type: "program-started", argv: ["qemu-img", "convert", "disk.qcow2"], pid: 1 });
      time.pass(2_000);
      assert.equal(terminal.lines.at(-1), "  qemu-img convert disk.qcow2");
      return Promise.resolve();
    });
    await journal.close();
    assert.deepEqual(terminal.lines.slice(1), [right("✔ export", "2.0 s")]);
  });

  it("says warnings at once, wrapped to the width", async () => {
    const { terminal, time, journal } = await open();
    journal.emit({ type: "warning", subject: "disk", detail: "word ".repeat(30) });
    time.pass(100);
    assert.equal(terminal.lines.length, 4);
    assert.match(terminal.text, /\n! disk: word .*\n {2}word .*\n {2}word/);
    await journal.close();
  });

  it("takes a check that found something for failed, and the phase around it", async () => {
    const { terminal, journal } = await open();
    await journal.span({ name: "verify", kind: "phase" }, async (phase) => {
      await phase.span({ name: "boots", kind: "check" }, (check) => {
        check.emit({ type: "finding", check: "boots", ok: false, detail: "no answer" });
        return Promise.resolve();
      });
      phase.emit({ type: "finding", check: "units", ok: true, detail: "fine" });
    });
    await journal.close();
    assert.deepEqual(terminal.lines.slice(1), [
      right("✖ verify", "0.0 s"),
      right("  ✖ boots", "0.0 s"),
      "    no answer",
      right("  ✔ units", "0.0 s"),
    ]);
  });

  it("gives parallel builds a block each, and their finished lines a name", async () => {
    const { terminal, time, journal } = await open(true);
    const other = journal.forBuild({ build: "k8s-arm64" });
    await journal.span({ name: "quickstart", kind: "build" }, async (build) => {
      await inStep(build, time, async () => {
        await other.span({ name: "base", kind: "phase" }, () => {
          time.pass(1_000);
          const blocks = terminal.lines.filter((line) => /^\S/.test(line));
          assert.deepEqual(blocks, ["quickstart-amd64  13 s", "k8s-arm64  1 s"]);
          return Promise.resolve();
        });
      });
    });
    await journal.close();
    assert.deepEqual(terminal.lines, [
      right("k8s-arm64        ✔ base", "1.0 s"),
      right("quickstart-amd64 ✔ steps", "13.0 s"),
      right("quickstart-amd64   ✔ 1/3 swap-off  layer 9f2c", "cached"),
      right("quickstart-amd64   ✔ 2/3 containerd", "13.0 s"),
      right("quickstart-amd64 ✔ built", "13.0 s"),
    ]);
  });

  it("keeps its lines inside the screen, after a resize too", async () => {
    const { terminal, time, journal } = await open();
    await journal.span({ name: "steps", kind: "phase" }, async (phase) => {
      for (let count = 0; count < 40; count += 1) {
        await phase.span({ name: `step-${String(count)}`, kind: "step" }, () => Promise.resolve());
      }
      await phase.span({ name: "x".repeat(200), kind: "step" }, (step) => {
        step.emit({ type: "op-started", index: 0, total: 1, summary: "y".repeat(200) });
        step.emit({ type: "output", stream: "stderr", text: "日本".repeat(200) });
        for (const [columns, rows] of [
          [80, 24],
          [40, 10],
          [120, 8],
          [20, 5],
        ] as const) {
          Object.assign(terminal, { columns, rows });
          terminal.emit("resize");
          time.pass(200);
          const frame = terminal.lines.slice(1);
          assert.ok(frame.length < rows, `${String(frame.length)} lines in ${String(rows)} rows`);
          assert.ok(
            frame.every((line) => textWidth(line) < columns),
            frame.join("\n"),
          );
        }
        return Promise.resolve();
      });
    });
    await journal.close();
  });
});
