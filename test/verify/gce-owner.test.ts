import assert from "node:assert/strict";
import { deathOf, ownerOf, readOwner } from "../../verify/gce-owner.ts";

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
const HOUR_MS = 3_600_000;

describe("owner of a clone in Google Cloud", () => {
  const owner = ownerOf("Run 1.2/x", { now: NOW, lifeMs: HOUR_MS });
  const death = (given: Partial<typeof owner>, now = NOW): string | undefined =>
    deathOf({ ...owner, ...given }, { now, ownRun: "run-2" });

  it("is written in labels that Google takes", () => {
    for (const value of Object.values(owner)) assert.match(value, /^[a-z0-9_-]{1,63}$/);
    assert.equal(owner["kvci-run"], "run-1-2-x");
    assert.equal(owner["kvci-expires"], String(NOW / 1000 + 3600));
  });

  it("lives for as long as its process does", () => {
    assert.equal(death({}), undefined);
    const [, tick = ""] = owner["kvci-process"].split("-");
    assert.match(death({ "kvci-process": `${process.pid}-${tick}1` }) ?? "", /^its process \d+ is gone$/);
    assert.match(death({ "kvci-process": `4194399-${tick}` }) ?? "", /is gone/);
  });

  it("is not judged by the processes of another host", () => {
    const elsewhere = { "kvci-host": "another", "kvci-process": "1-1" };
    assert.equal(death(elsewhere), undefined);
    assert.equal(death(elsewhere, NOW + 2 * HOUR_MS), "its time was over at 2026-01-02T04:04:05.000Z");
  });

  it("is never dead to its own run", () => {
    const later = { now: NOW + 100 * HOUR_MS, ownRun: "Run 1.2/x" };
    assert.equal(deathOf(owner, later), undefined);
  });

  it("is read from labels, and from nothing else", () => {
    assert.deepEqual(readOwner({ ...owner, other: "label" }), owner);
    for (const odd of [
      {},
      undefined,
      "text",
      { ...owner, "kvci-managed": "false" },
      { ...owner, "kvci-expires": "x" },
    ]) {
      assert.equal(readOwner(odd), undefined);
    }
  });
});
