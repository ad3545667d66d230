import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { Claims } from "../../../builders/qemu/claims.ts";
import type { Store, TemporaryFolder } from "../../../src/store/store.ts";
import { openStore } from "../../../src/store/file-store.ts";
import { folderStore } from "../../fakes/folder-store.ts";
import { contextOf, keyOf } from "./layers.ts";

describe("a claim on a layer", () => {
  let folder: Store & TemporaryFolder;
  let abort: AbortController;
  beforeEach(async () => {
    folder = await folderStore();
    abort = new AbortController();
  });
  afterEach(() => folder[Symbol.asyncDispose]());

  /** The claims of a build of its own: locks of two stores exclude each other even in one process. */
  const claimsOf = async (name: string) => {
    const store = await openStore(folder.root, { runId: randomUUID(), description: name });
    const context = contextOf(["one", "two"], { store }, { signal: abort.signal });
    return { claims: new Claims(context), journal: context.journal };
  };
  const [one, two] = [keyOf("one"), keyOf("two")];

  it("is one build's at a time, and free when that has ended", async () => {
    const [mine, other] = [await claimsOf("mine"), await claimsOf("other")];
    assert.equal(await mine.claims.take(one), true);
    assert.equal(await other.claims.take(one), false);
    assert.deepEqual([mine.claims.holds(one), mine.claims.holds(two), other.claims.holds(one)], [true, false, false]);
    await mine.claims[Symbol.asyncDispose]();
    assert.equal(await other.claims.take(one), true);
    await other.claims[Symbol.asyncDispose]();
  });

  it("is taken for the next layer before that for the last is given up", async () => {
    const [mine, other] = [await claimsOf("mine"), await claimsOf("other")];
    await mine.claims.take(one);
    const released: AsyncDisposable[] = [];
    assert.equal(await mine.claims.moveTo(two, "two", (claim) => released.push(claim)), false);
    assert.deepEqual([await other.claims.take(one), await other.claims.take(two)], [false, false]);
    assert.equal(released.length, 1);
    await released[0]?.[Symbol.asyncDispose]();
    assert.equal(await other.claims.take(one), true);
    for (const { claims } of [mine, other]) await claims[Symbol.asyncDispose]();
  });

  it("is waited for with its holder's name, and then it says that somebody had it", async () => {
    const [mine, other] = [await claimsOf("mine"), await claimsOf("other")];
    await other.claims.take(two);
    await mine.claims.take(one);
    const moving = mine.claims.moveTo(two, "two", (claim) => void claim[Symbol.asyncDispose]());
    while (mine.journal.events.length === 0) await delay(5);
    await other.claims[Symbol.asyncDispose]();
    assert.equal(await moving, true);
    const [event] = mine.journal.events;
    assert.ok(event?.type === "waiting");
    assert.deepEqual([event.subject, event.holder], ["step two", "other"]);
    await mine.claims[Symbol.asyncDispose]();
  });

  it("is not held by who only waits until it is free", async () => {
    const [mine, other] = [await claimsOf("mine"), await claimsOf("other")];
    await mine.claims.waitFor(one, "one");
    assert.equal(await other.claims.take(one), true);
    await other.claims[Symbol.asyncDispose]();
  });

  it("is no longer waited for after Ctrl-C", async () => {
    const [mine, other] = [await claimsOf("mine"), await claimsOf("other")];
    await other.claims.take(one);
    const waiting = mine.claims.waitFor(one, "one");
    abort.abort();
    await assert.rejects(waiting, { name: "AbortError" });
    await other.claims[Symbol.asyncDispose]();
  });

  it("is handed over at the end, once", async () => {
    const { claims } = await claimsOf("mine");
    await claims.take(one);
    const released: AsyncDisposable[] = [];
    claims.end((claim) => released.push(claim));
    claims.end((claim) => released.push(claim));
    assert.equal(released.length, 1);
    assert.equal(claims.holds(one), false);
    await released[0]?.[Symbol.asyncDispose]();
  });
});
