import assert from "node:assert/strict";
import { resumeFromMemory, saveMemory } from "../../../src/qemu/memory-state.ts";
import { FakeVm } from "./fake-vm.ts";

const { signal } = new AbortController();

/** Answers one after another; the last one for ever. */
function inTurn(...answers: readonly unknown[]): () => unknown {
  let index = 0;
  return () => answers[Math.min(index++, answers.length - 1)];
}

describe("saving a machine's memory", () => {
  it("goes through zstd into a file that only its owner can read, without a limit for networks", async () => {
    const vm = new FakeVm({ "query-migrate": inTurn({ status: "active" }, { status: "completed" }) });
    await saveMemory(vm, "/store/it's/memory.zst", signal);
    assert.deepEqual(vm.names, ["migrate-set-parameters", "migrate", "query-migrate", "query-migrate"]);
    assert.ok(Number(vm.commands[0]?.[1]["max-bandwidth"]) > 1024 ** 3);
    const uri = String(vm.commands[1]?.[1]["uri"]);
    assert.match(uri, /^exec:umask 077; zstd .* -o '\/store\/it'\\''s\/memory\.zst'$/);
  });

  it("fails with QEMU's words", async () => {
    const failed = { status: "failed", "error-desc": "Unable to write to command: Broken pipe" };
    const vm = new FakeVm({ "query-migrate": inTurn({}, failed) });
    await assert.rejects(saveMemory(vm, "/m", signal), { code: "guest-died", message: /Broken pipe/ });
  });

  it("ends on Ctrl-C", async () => {
    const vm = new FakeVm({ "query-migrate": () => ({ status: "active" }) });
    await assert.rejects(saveMemory(vm, "/m", AbortSignal.abort()), { name: "AbortError" });
  });
});

describe("a machine that reads its memory", () => {
  it("goes on when it has read it all", async () => {
    const vm = new FakeVm({
      "query-status": inTurn({ status: "inmigrate" }, { status: "inmigrate" }, { status: "paused" }),
    });
    await resumeFromMemory(vm, signal);
    assert.deepEqual(vm.names, ["query-status", "query-status", "query-status", "cont"]);
  });

  it("is left alone when it goes on by itself", async () => {
    const vm = new FakeVm({ "query-status": () => ({ status: "running" }) });
    await resumeFromMemory(vm, signal);
    assert.deepEqual(vm.names, ["query-status"]);
  });

  it("ends the wait at once when QEMU does not take it", async () => {
    const vm = new FakeVm({ "query-status": () => ({ status: "inmigrate" }) });
    const waiting = resumeFromMemory(vm, signal);
    vm.die(new Error("load of migration failed"));
    await assert.rejects(waiting, /load of migration failed/);
  });
});
