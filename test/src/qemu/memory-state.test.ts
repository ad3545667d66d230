import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resumeFromMemory, saveMemory } from "../../../src/qemu/memory-state.ts";
import { FakeVm } from "./fake-vm.ts";

const { signal } = new AbortController();

/** Answers one after another; the last one for ever. */
function inTurn(...answers: readonly unknown[]): () => unknown {
  let index = 0;
  return () => {
    const answer = answers[Math.min(index++, answers.length - 1)];
    return typeof answer === "function" ? (answer as () => unknown)() : answer;
  };
}

describe("saving a machine's memory", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-it's-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** What QEMU's compressor leaves behind, once QEMU calls the memory saved. */
  const compressor = (files: Readonly<Record<string, string>>): (() => unknown) => {
    return inTurn({ status: "active" }, () => {
      for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
      return { status: "completed" };
    });
  };

  it("goes through zstd into a file that only its owner can read, without a limit for networks", async () => {
    const vm = new FakeVm({ "query-migrate": compressor({ "memory.zst": "m", "memory.zst.end": "" }) });
    await saveMemory(vm, join(folder, "memory.zst"), signal);
    assert.deepEqual(vm.names, ["migrate-set-parameters", "migrate", "query-migrate", "query-migrate"]);
    assert.ok(Number(vm.commands[0]?.[1]["max-bandwidth"]) > 1024 ** 3);
    const uri = String(vm.commands[1]?.[1]["uri"]);
    assert.match(uri, /^exec:umask 077; zstd .* -o '.*it'\\''s.*\/memory\.zst\.part' 2> .* && mv .*; : > .*\.end'$/);
    assert.deepEqual(await readdir(folder), ["memory.zst"]);
  });

  it("does what its command says when a shell runs it", async () => {
    const path = join(folder, "memory.zst");
    // Stands in for zstd, which a machine that runs only these tests may not have.
    await mkdir(join(folder, "bin"));
    await writeFile(join(folder, "bin/zstd"), '#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\ncat > "$2"\n', {
      mode: 0o755,
    });
    const vm = new FakeVm({
      migrate: (parameters) => {
        const uri = String(parameters["uri"]);
        const env = { ...process.env, PATH: `${join(folder, "bin")}:${process.env["PATH"] ?? ""}` };
        execFileSync("sh", ["-c", uri.replace("exec:", "")], { input: "memory", env });
      },
      "query-migrate": () => ({ status: "completed" }),
    });
    await saveMemory(vm, path, signal);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal(await readFile(path, "utf8"), "memory");
  });

  it("fails when the compressor did, with its words, although QEMU calls the memory saved", async () => {
    const files = { "memory.zst.error": "zstd: error 70: No space left on device\n", "memory.zst.end": "" };
    const vm = new FakeVm({ "query-migrate": compressor(files) });
    const saving = saveMemory(vm, join(folder, "memory.zst"), signal);
    await assert.rejects(saving, { code: "guest-died", message: /No space left on device/ });
    assert.deepEqual(await readdir(folder), []);
  });

  it("fails with QEMU's words", async () => {
    const failed = { status: "failed", "error-desc": "Unable to write to command: Broken pipe" };
    const files = { "memory.zst.end": "" };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const vm = new FakeVm({ "query-migrate": inTurn({}, failed) });
    const saving = saveMemory(vm, join(folder, "memory.zst"), signal);
    await assert.rejects(saving, { code: "guest-died", message: /Broken pipe/ });
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
