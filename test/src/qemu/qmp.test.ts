import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { Qmp } from "../../../src/qemu/qmp.ts";

const GREETING = '{"QMP": {"version": {}, "capabilities": []}}\n';

function pair(): { input: PassThrough; output: PassThrough; qmp: Qmp } {
  const [input, output] = [new PassThrough(), new PassThrough()];
  return { input, output, qmp: new Qmp(input, output) };
}

describe("Qmp", () => {
  it("waits for the greeting, then leaves negotiation mode", async () => {
    const { input, output, qmp } = pair();
    const done = qmp.negotiate();
    input.write(GREETING);
    const [line] = (await output.take(1).toArray()) as [Buffer];
    assert.deepEqual(JSON.parse(line.toString()), { execute: "qmp_capabilities", id: 1 });
    input.write('{"return": {}, "id": 1}\n');
    await done;
  });

  it("matches answers to commands by id, in any order", async () => {
    const { input, qmp } = pair();
    const [a, b] = [qmp.execute("a"), qmp.execute("b", { x: 1 })];
    input.write('{"return": "second", "id": 2}\n{"return": "first", "id": 1}\n');
    assert.deepEqual(await Promise.all([a, b]), ["first", "second"]);
  });

  it("turns a refusal into an error with QEMU's words", async () => {
    const { input, qmp } = pair();
    const refused = qmp.execute("nope");
    input.write('{"error": {"class": "CommandNotFound", "desc": "The command nope has not been found"}, "id": 1}\n');
    await assert.rejects(refused, { code: "guest-died", message: "QEMU refused: The command nope has not been found" });
  });

  it("passes events on and overlooks what is no JSON", async () => {
    const { input, qmp } = pair();
    const seen = new Promise((resolve) => {
      qmp.onEvent((event, data) => {
        resolve([event, data]);
      });
    });
    input.write('warning: something\n{"event": "GUEST_PANICKED", "data": {"action": "pause"}}\n');
    assert.deepEqual(await seen, ["GUEST_PANICKED", { action: "pause" }]);
  });

  it("fails what waits when QEMU closes its monitor", async () => {
    const { input, qmp } = pair();
    const waiting = qmp.execute("query-status");
    input.end();
    await assert.rejects(waiting, { code: "guest-died" });
  });

  it("fails at once what is asked after QEMU has closed its monitor", async () => {
    const { input, qmp } = pair();
    const waiting = qmp.execute("query-status");
    input.end();
    await assert.rejects(waiting);
    const asked = performance.now();
    await assert.rejects(qmp.execute("query-blockstats"), { code: "guest-died", message: /closed its monitor/ });
    assert.ok(performance.now() - asked < 1_000);
  });
});
