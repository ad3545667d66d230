import assert from "node:assert/strict";
import { KvciError } from "../../src/core/error.ts";
import { silentJournal } from "../../src/core/journal.ts";
import { bootClones } from "../../verify/clones.ts";
import { DISK, FakeClone, FakePlace, ScriptedMachine } from "./fake-clone.ts";

const options = { journal: silentJournal, signal: new AbortController().signal, count: 3 };
const clone = (name: string): FakeClone => new FakeClone(name, new ScriptedMachine([]));
const died = new KvciError("guest-died", "kernel panic", { hint: "See the console." });

/** Rejects when `signal` is aborted, as a booting place does. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => {
      reject(new KvciError("interrupted", "stopped", { hint: "Again." }));
    });
  });
}

describe("bootClones", () => {
  it("boots clones with names of their own and ends them together", async () => {
    const place = new FakePlace((name) => Promise.resolve(clone(name)));
    const clones = await bootClones(place, DISK, options);
    assert.deepEqual(
      clones.list.map(({ name }) => name),
      ["verify-a", "verify-b", "verify-c"],
    );
    await clones[Symbol.asyncDispose]();
    assert.deepEqual(
      place.clones.map(({ disposals }) => disposals),
      [1, 1, 1],
    );
  });

  it("stops the others when one fails, leaves none running and throws the cause", async () => {
    const place = new FakePlace((name, signal) => {
      if (name === "verify-a") return Promise.resolve(clone(name));
      return name === "verify-b" ? Promise.reject(died) : untilAborted(signal);
    });
    await assert.rejects(bootClones(place, DISK, options), died);
    assert.deepEqual(
      place.clones.map(({ name, disposals }) => `${name} ${String(disposals)}`),
      ["verify-a 1"],
    );
  });

  it("ends every clone although the end of one fails", async () => {
    const place = new FakePlace((name) => {
      const made = clone(name);
      if (name === "verify-a") made[Symbol.asyncDispose] = () => Promise.reject(died);
      return Promise.resolve(made);
    });
    const clones = await bootClones(place, DISK, options);
    await assert.rejects(async () => clones[Symbol.asyncDispose](), died);
    assert.deepEqual(
      place.clones.map(({ disposals }) => disposals),
      [0, 1, 1],
    );
  });
});
