import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import type { App } from "../../../src/cli/app.ts";
import { planWithLock, type OfferOptions } from "../../../src/cli/lock-offer.ts";
import { defineEnvironment } from "../../../src/core/environment.ts";
import { KvciError } from "../../../src/core/error.ts";

const missing = new KvciError("lock-missing", 'template "t": the lock has no file https://a.example/f', {
  hint: "Run `kvci-build lock t`.",
});

describe("offer to resolve", () => {
  let said: PassThrough;
  let resolved: number;
  let locked: boolean;
  beforeEach(() => {
    said = new PassThrough();
    resolved = 0;
    locked = false;
  });

  function app(answer: string, terminal = true): App {
    const stdin = Object.assign(new PassThrough(), { isTTY: terminal });
    stdin.end(answer);
    const { signal } = new AbortController();
    return { stdin, stderr: Object.assign(said, { isTTY: true }), signal } as unknown as App;
  }

  const options: OfferOptions = {
    names: ["t"],
    environment: defineEnvironment({}),
    json: false,
    resolve: async () => {
      resolved += 1;
      locked = true;
    },
  };
  const plan = (): Promise<string> => (locked ? Promise.resolve("plan") : Promise.reject(missing));

  it("resolves and plans again when it is taken up", async () => {
    assert.equal(await planWithLock(app("y\n"), plan, options), "plan");
    assert.equal(resolved, 1);
    assert.match(String(said.read()), /the lock has no file https:\/\/a\.example\/f\nResolve it now\? \[y\/N\] $/);
  });

  it("is declined by anything else than yes", async () => {
    for (const answer of ["n\n", "\n", ""]) {
      await assert.rejects(planWithLock(app(answer), plan, options), missing);
    }
    assert.equal(resolved, 0);
  });

  it("is not made without a terminal, nor to programs", async () => {
    await assert.rejects(planWithLock(app("y\n", false), plan, options), missing);
    await assert.rejects(planWithLock(app("y\n"), plan, { ...options, json: true }), missing);
    assert.equal(said.read(), null);
  });

  it("is made once: what is missing then is an error", async () => {
    await assert.rejects(
      planWithLock(app("y\ny\n"), () => Promise.reject(missing), options),
      missing,
    );
    assert.equal(resolved, 1);
  });

  it("is about the lock only", async () => {
    const other = new KvciError("template-invalid", "no", { hint: "Mend it." });
    await assert.rejects(
      planWithLock(app("y\n"), () => Promise.reject(other), options),
      other,
    );
  });
});
