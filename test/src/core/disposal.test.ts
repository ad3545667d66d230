import assert from "node:assert/strict";
import { Disposer, withDisposal } from "../../../src/core/disposal.ts";

describe("disposal", () => {
  let log: string[];
  beforeEach(() => {
    log = [];
  });

  function resource(name: string, error?: Error): AsyncDisposable & { readonly name: string } {
    return {
      name,
      async [Symbol.asyncDispose]() {
        await Promise.resolve();
        log.push(`${name} gone`);
        if (error) throw error;
      },
    };
  }

  const work = async (): Promise<string> => {
    await Promise.resolve();
    log.push("work");
    return "done";
  };
  const failure = new TypeError("work failed");
  const failing = async (): Promise<string> => {
    await work();
    throw failure;
  };
  const stuck = new TypeError("disposal failed");

  it("comes after the work, before its result", async () => {
    const result = withDisposal(resource("a"), async ({ name }) => `${name} ${await work()}`);
    assert.equal(await result.finally(() => log.push("result")), "a done");
    assert.deepEqual(log, ["work", "a gone", "result"]);
  });

  it("comes after work that fails, and the error stays", async () => {
    await assert.rejects(withDisposal(resource("a"), failing), failure);
    assert.deepEqual(log, ["work", "a gone"]);
  });

  it("comes after work that throws before it waits", async () => {
    const throwing = (): Promise<never> => {
      throw failure;
    };
    await assert.rejects(withDisposal(resource("a"), throwing), failure);
    assert.deepEqual(log, ["a gone"]);
  });

  it("that fails is the error of work that does not", async () => {
    await assert.rejects(withDisposal(resource("a", stuck), work), stuck);
  });

  it("that fails does not hide why the work failed", async () => {
    await assert.rejects(withDisposal(resource("a", stuck), failing), failure);
  });

  it("that throws at once does not hide why the work failed", async () => {
    const throwing = {
      [Symbol.asyncDispose]: (): Promise<void> => {
        throw stuck;
      },
    };
    await assert.rejects(withDisposal(throwing, failing), failure);
  });

  describe("of several", () => {
    it("goes backwards, one at a time, and happens once", async () => {
      const disposer = new Disposer();
      assert.equal(disposer.use(resource("a")).name, "a");
      disposer.use(resource("b"));
      await disposer[Symbol.asyncDispose]();
      await disposer[Symbol.asyncDispose]();
      assert.deepEqual(log, ["b gone", "a gone"]);
    });

    it("gives each its turn and then throws the first error", async () => {
      const disposer = new Disposer();
      for (const each of [resource("a"), resource("b", new TypeError("later")), resource("c", stuck)]) {
        disposer.use(each);
      }
      await assert.rejects(disposer[Symbol.asyncDispose](), stuck);
      assert.deepEqual(log, ["c gone", "b gone", "a gone"]);
    });

    it("is left to whom they were moved to", async () => {
      const kept = await withDisposal(new Disposer(), async (disposer) => {
        disposer.use(resource("a"));
        disposer.use(resource("b"));
        return disposer.move();
      });
      assert.deepEqual(log, []);
      await kept[Symbol.asyncDispose]();
      assert.deepEqual(log, ["b gone", "a gone"]);
    });

    it("does not wait for a move that never came", async () => {
      const failed = withDisposal(new Disposer(), async (disposer) => {
        disposer.use(resource("a"));
        return failing();
      });
      await assert.rejects(failed, failure);
      assert.deepEqual(log, ["work", "a gone"]);
    });
  });
});
