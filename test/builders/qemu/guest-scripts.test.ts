import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { settle, tidy, wake } from "../../../builders/qemu/guest-scripts.ts";
import type { ExecOptions, Machine } from "../../../src/machine/machine.ts";

const options = { timeoutMs: 1_000, signal: new AbortController().signal };
const NOW = Date.parse("2026-11-20T12:00:00.250Z");

function answering(
  stdout: string,
  exitCode = 0,
): Machine & { readonly calls: [readonly string[], ExecOptions | undefined][] } {
  const calls: [readonly string[], ExecOptions | undefined][] = [];
  return {
    calls,
    exec(argv, given) {
      calls.push([argv, given]);
      return Promise.resolve({ exitCode, stdout, stderr: "no space left" });
    },
  };
}

describe("what is run in a guest around steps", () => {
  it("is shell that parses", async () => {
    const machine = answering(String(NOW / 1000));
    await settle(machine, options);
    await tidy(machine, options);
    await wake(machine, { now: () => NOW, entropy: "00" }, options);
    for (const [[shell, flag, script]] of machine.calls) {
      assert.deepEqual([shell, flag], ["sh", "-c"]);
      execFileSync("sh", ["-n"], { input: script ?? "" });
    }
  });

  it("has a deadline and can be interrupted", async () => {
    const machine = answering("");
    await settle(machine, options);
    assert.deepEqual(machine.calls[0]?.[1], options);
  });

  it("says what failed and what the guest said", async () => {
    await assert.rejects(tidy(answering("", 1), options), {
      code: "command-failed",
      message: "closing the layer exited 1",
      evidence: ["no space left"],
    });
  });

  it("overwrites logs before it empties them, flushes, and gives back what is free", async () => {
    const machine = answering("");
    await tidy(machine, options);
    const script = machine.calls[0]?.[0][2] ?? "";
    assert.match(script, /shred --iterations=0 --zero [\s\S]*truncate --size=0[\s\S]*\nsync\nfstrim --all/);
  });
});

describe("the relay's URL in a guest", () => {
  const run = (folder: string, call: readonly string[]): string => {
    const [, , script = "", ...args] = call;
    // Only what places the file is run here: all else is about a guest.
    const [place = ""] = script
      .replaceAll("/run/kvci-build", folder)
      .split(/\n(?=if \[ ! -e \/run\/cloud-init|systemctl)/);
    execFileSync("sh", ["-ec", place, ...args]);
    const file = join(folder, "relay");
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  };

  it("is there after a boot and after a restore, as it is then, and only where there is one", async () => {
    const folder = mkdtempSync(join(tmpdir(), "kvci-relay-"));
    const machine = answering(String(NOW / 1000));
    await settle(machine, { ...options, relay: "http://127.0.0.1:1" });
    await wake(machine, { now: () => NOW, entropy: "00", relay: "http://127.0.0.1:2" }, options);
    await wake(machine, { now: () => NOW, entropy: "00" }, options);
    await settle(machine, options);
    const seen = machine.calls.map(([call]) => run(folder, call));
    rmSync(folder, { recursive: true });
    assert.deepEqual(seen, ["http://127.0.0.1:1\n", "http://127.0.0.1:2\n", "", ""]);
  });
});

describe("a restored guest", () => {
  it("is told the time when the command is sent, and random numbers of the host", async () => {
    const machine = answering(`${String(Math.floor(NOW / 1000))}\n`);
    await wake(machine, { now: () => NOW, entropy: "c0ffee" }, options);
    assert.deepEqual(machine.calls[0]?.[0].slice(3), ["kvci-build", "1795176000.250", "c0ffee", ""]);
  });

  it("is not trusted when it tells another time afterwards", async () => {
    for (const said of [String(NOW / 1000 - 60), "", "date: invalid date"]) {
      const waking = wake(answering(said), { now: () => NOW, entropy: "00" }, options);
      await assert.rejects(waking, { code: "guest-not-ready" }, JSON.stringify(said));
    }
  });
});
