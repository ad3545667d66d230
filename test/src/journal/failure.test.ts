import assert from "node:assert/strict";
import { KvciError } from "../../../src/core/error.ts";
import { failureRecord, renderFailure } from "../../../src/journal/failure.ts";

const failure = new KvciError("command-failed", "dnf install -y kubelet exited 1 (op 2 of 3)", {
  hint: "Its last output is above; the whole of it is in the journal.",
  evidence: ["Last metadata check", "\u001B[31mError: Unable to find a match: kubelet\u001B[0m"],
  cause: new Error("channel closed", { cause: new AggregateError([new Error("read ECONNRESET")], "channel closed") }),
});
const logs = [
  { what: "console", path: "out/x/serial.log" },
  { what: "journal", path: "out/x/journal.jsonl" },
];

describe("rendered failure", () => {
  it("says what happened, what was seen, why, what to do and where to read on", () => {
    assert.deepEqual(renderFailure(failure, { logs, width: 60 }).split("\n"), [
      "✖ dnf install -y kubelet exited 1 (op 2 of 3)",
      "  error command-failed",
      "",
      "  │ Last metadata check",
      "  │ Error: Unable to find a match: kubelet",
      "",
      "  because: channel closed",
      "  because: read ECONNRESET",
      "",
      "What to do: Its last output is above; the whole of it is in",
      "            the journal.",
      "",
      "Where to read on:",
      "  console  out/x/serial.log",
      "  journal  out/x/journal.jsonl",
    ]);
  });

  it("shows commands whole, however narrow the terminal", () => {
    const command = "less /var/lib/builds/out/quickstart/amd64.logs/console-containerd.log";
    const commands = [
      { what: "resume", command: "kvci-build template x" },
      { what: "log", command },
    ] as const;
    const text = renderFailure(failure, { commands, logs, width: 40 });
    assert.ok(text.includes(`\nTo go on:\n  resume  kvci-build template x\n  log     ${command}\n\nWhere`), text);
  });

  it("leaves out what there is nothing of", () => {
    const bare = new KvciError("usage", "no template given", { hint: "Name one." });
    assert.equal(renderFailure(bare), "✖ no template given\n  error usage\n\nWhat to do: Name one.");
  });

  it("shows a defect with its stack and asks for a report", () => {
    const text = renderFailure(new TypeError("x is not a function"));
    assert.match(text, /^✖ x is not a function\n {2}error internal\n\n {2}│ at /);
    assert.match(text, /What to do: This is a defect in kvci-build\. Report it/);
    assert.match(renderFailure("just a string"), /^✖ just a string/);
  });

  it("ends a chain of causes that bites its tail", () => {
    const first = new Error("first");
    first.cause = first;
    assert.deepEqual(failureRecord(new KvciError("internal", "outer", { hint: "h", cause: first })).causes, ["first"]);
  });

  it("holds no secrets", () => {
    const redact = (text: string): string => text.replaceAll("kubelet", "***");
    assert.ok(!renderFailure(failure, { logs, redact }).includes("kubelet"));
    assert.ok(!JSON.stringify(failureRecord(failure, { redact })).includes("kubelet"));
  });
});

describe("failure record", () => {
  it("is plain data", () => {
    assert.deepEqual(failureRecord(failure, { logs }), {
      code: "command-failed",
      message: failure.message,
      hint: failure.hint,
      evidence: failure.evidence,
      causes: ["channel closed", "read ECONNRESET"],
      logs,
    });
  });

  it("has commands by what they do, and the screen", () => {
    const commands = [{ what: "resume", command: "kvci-build template x" }] as const;
    const record = failureRecord(failure, { commands, screen: "/out/screen.png" });
    assert.deepEqual(record.commands, { resume: "kvci-build template x" });
    assert.equal(record.screen, "/out/screen.png");
    assert.ok(!("commands" in failureRecord(failure)));
  });
});
