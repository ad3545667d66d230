import assert from "node:assert/strict";
import { isLive, openRenderer } from "../../../src/journal/renderer.ts";
import { FakeTerminal, stamped, TextStream } from "./fake-terminal.ts";

describe("renderer", () => {
  const terminal = new FakeTerminal();
  const event = stamped({ type: "leftover-removed", what: "QEMU 4711" });

  it("is live on a terminal, unless colours are unwanted, the terminal is dumb or all output is asked for", () => {
    assert.equal(isLive({ stream: terminal, env: { NO_COLOR: "" } }), true);
    assert.equal(isLive({ stream: terminal, env: { NO_COLOR: "1" } }), false);
    assert.equal(isLive({ stream: terminal, env: { TERM: "dumb" } }), false);
    assert.equal(isLive({ stream: terminal, env: {}, verbose: true }), false);
    assert.equal(isLive({ stream: new TextStream(), env: {} }), false);
  });

  it("writes plain lines into a pipe", async () => {
    const stream = new TextStream();
    const sink = await openRenderer({ stream, env: {} });
    sink.write(event);
    await sink.close?.();
    assert.deepEqual(stream.lines, ["removed what an earlier run left behind: QEMU 4711"]);
  });

  it("writes JSON lines on request", async () => {
    const stream = new TextStream();
    const sink = await openRenderer({
      stream,
      env: {},
      json: { startedAt: "2026-01-02T03:04:05.000Z", tool: "0.1.0" },
    });
    sink.write(event);
    await sink.close?.();
    assert.deepEqual(JSON.parse(stream.lines[1] ?? ""), event);
  });

  it("opens a live view and closes it", async () => {
    const sink = await openRenderer({ stream: terminal, env: {} });
    assert.equal(terminal.cursorVisible, false);
    sink.write(event);
    await sink.close?.();
    assert.equal(terminal.cursorVisible, true);
    assert.match(terminal.text, /QEMU 4711$/);
  });
});
