import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { collectEvidence, consoleSlice } from "../../../builders/qemu/failed-evidence.ts";
import { createJournal } from "../../../src/journal/event-journal.ts";
import type { BuildEvent } from "../../../src/core/event.ts";

describe("evidence of a failure", () => {
  let folder: string;
  let serialLog: string;
  let events: BuildEvent[];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-evidence-"));
    serialLog = join(folder, "serial.log");
    events = [];
    await writeFile(serialLog, "boot\r\n");
  });
  afterEach(() => rm(folder, { recursive: true }));

  const part = (more: object = {}): Parameters<typeof collectEvidence>[0] => ({
    step: "bad",
    vm: { ended: true, qmp: () => Promise.reject(new Error("gone")) },
    serialLog,
    consoleFrom: 6,
    journal: createJournal({ build: "x", sinks: [{ write: ({ event }) => void events.push(event) }] }),
    redact: (text) => text.replaceAll("hunter2", "***"),
    ...more,
  });

  it("has the console from the step's beginning on, as plain text without secrets", async () => {
    const colours = "\u001b[1;31mred\u001b[0m\u001b[?2004h \u001b]0;title\u0007hunter2\u001b(B\u0007";
    await writeFile(serialLog, `boot\r\n[ 1.0] one\r\r\n${colours}\r\n`);
    const { console } = await collectEvidence(part());
    assert.equal(console, join(folder, "console-bad.log"));
    const [head, ...lines] = (await readFile(console, "utf8")).split("\n");
    assert.match(head ?? "", /^# Serial console during step "bad": bytes 6 to \d+ of serial\.log$/);
    assert.deepEqual(lines, ["[ 1.0] one", "red ***", ""]);
  });

  it("has the end of a console that ran wild", async () => {
    await truncate(serialLog, 6 * 1024 ** 2);
    const { from, to } = await consoleSlice(serialLog, 6);
    assert.deepEqual([from, to], [2 * 1024 ** 2, 6 * 1024 ** 2]);
  });

  it("has a picture of the screen", async () => {
    const vm = {
      ended: false,
      qmp: (_command: string, { filename }: { filename?: string } = {}) => writeFile(filename ?? "", "picture"),
    };
    const { screen } = await collectEvidence(part({ vm }));
    assert.equal(screen, join(folder, "screen.png"));
    assert.deepEqual(events, []);
  });

  it("is what there is: what is lacking is a warning", async () => {
    await rm(serialLog);
    const vm = { ended: false, qmp: () => Promise.reject(new Error("no console")) };
    assert.deepEqual(await collectEvidence(part({ vm })), {});
    assert.deepEqual(
      events.map((event) => event.type === "warning" && event.subject),
      ["screen", "console"],
    );
    assert.deepEqual(await readdir(folder), []);
  });
});
