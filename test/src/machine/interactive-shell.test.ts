import assert from "node:assert/strict";
import { Duplex, PassThrough } from "node:stream";
import { interactiveShell, type LocalTerminal, type SessionEnd } from "../../../src/machine/interactive-shell.ts";
import { remoteShell } from "../../../src/machine/remote-shell.ts";

/** The channel of a shell in a guest; what is typed is kept. */
class FakeChannel extends Duplex {
  typed = "";
  windows: (readonly number[])[] = [];
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.typed += chunk.toString();
    done();
  }
  setWindow(...size: number[]): void {
    this.windows.push(size);
  }
}

class FakeOutput extends PassThrough {
  columns = 80;
  rows = 24;
}

describe("interactive shell", () => {
  let channel: FakeChannel;
  let input: PassThrough & { raw: boolean[]; setRawMode: (raw: boolean) => void };
  let output: FakeOutput;
  let abort: AbortController;
  let opened: object;

  beforeEach(() => {
    channel = new FakeChannel();
    const raw: boolean[] = [];
    input = Object.assign(new PassThrough(), { raw, setRawMode: (value: boolean) => void raw.push(value) });
    output = new FakeOutput();
    abort = new AbortController();
  });

  const guest = {
    openShell: async (terminal: object) => {
      opened = terminal;
      return remoteShell(channel, (code, signal) => code ?? (signal === undefined ? 0 : 143));
    },
  };
  const session = (): Promise<SessionEnd> => {
    const terminal: LocalTerminal = { input, output, type: "xterm-256color" };
    return interactiveShell(guest, terminal, abort.signal);
  };
  const turn = (): Promise<void> => new Promise(setImmediate);
  const assertRestored = (): void => {
    assert.deepEqual(input.raw, [true, false]);
    assert.equal(input.listenerCount("data"), 0);
    assert.equal(output.listenerCount("resize"), 0);
    assert.equal(input.isPaused(), true);
  };

  it("hands on keys, output and the window's size, and ends with the shell's status", async () => {
    const end = session();
    await turn();
    assert.deepEqual(opened, { type: "xterm-256color", columns: 80, rows: 24 });
    input.write("ls\u0003\r");
    channel.push("listing");
    output.columns = 100;
    output.emit("resize");
    await turn();
    assert.equal(channel.typed, "ls\u0003\r");
    assert.equal(String(output.read()), "listing");
    assert.deepEqual(channel.windows, [[24, 100, 0, 0]]);
    channel.emit("exit", 7);
    channel.emit("close");
    assert.deepEqual(await end, { status: 7 });
    assertRestored();
  });

  it("is left with Ctrl-], and puts the terminal in order", async () => {
    const end = session();
    await turn();
    input.write("\u001d");
    assert.deepEqual(await end, { left: true });
    assertRestored();
    assert.match(String(output.read()), /\u001B\[\?1049l\u001B\[\?25h/);
    assert.equal(channel.destroyed, true);
  });

  it("ends when the command is stopped", async () => {
    const end = session();
    await turn();
    abort.abort(new Error("stopped"));
    await assert.rejects(end, /stopped/);
    assertRestored();
  });

  it("ends with 255 when the connection breaks", async () => {
    const end = session();
    await turn();
    channel.destroy(new Error("reset"));
    assert.deepEqual(await end, { status: 255 });
    assertRestored();
  });
});
