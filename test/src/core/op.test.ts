import assert from "node:assert/strict";
import fc from "fast-check";
import { canonicalJson } from "../../../src/core/canonical-json.ts";
import { InputError } from "../../../src/core/input.ts";
import { checkOps, copyIn, reboot, run, runFor, waitFor, writeFile } from "../../../src/core/op-makers.ts";
import { describeOp } from "../../../src/core/describe-op.ts";
import { anything, op } from "./arbitraries.ts";

describe("ops", () => {
  it("are plain data with their defaults written out", () => {
    assert.deepEqual(run("echo", "a b"), { kind: "run", argv: ["echo", "a b"] });
    assert.deepEqual(runFor(5, "true"), { kind: "run", argv: ["true"], timeoutMs: 5 });
    assert.deepEqual(writeFile("/a", "x"), {
      kind: "write-file",
      path: "/a",
      content: "x",
      mode: 0o644,
      owner: "root:root",
    });
    assert.deepEqual(copyIn("a", "/b", { mode: 0o755 }), {
      kind: "copy-in",
      source: "a",
      path: "/b",
      mode: 0o755,
      owner: "root:root",
    });
    assert.deepEqual(reboot(), { kind: "reboot", timeoutMs: 300_000 });
    assert.deepEqual(waitFor("it is up", ["true"]), {
      kind: "wait-for",
      reason: "it is up",
      argv: ["true"],
      timeoutMs: 120_000,
      intervalMs: 1_000,
    });
  });

  it("are described in one line", () => {
    fc.assert(fc.property(op, (value) => assert.doesNotMatch(describeOp(value), /\n/)));
    assert.equal(describeOp(run("sh", "-ec", "a\n  b")), "sh -ec a b");
    assert.equal(describeOp(run("env", "LC_ALL=C", "A=b", "apt-get", "install", "x=1")), "apt-get install x=1");
  });

  it("of a step are taken when they are valid", () => {
    fc.assert(fc.property(fc.array(op), (ops) => assert.equal(canonicalJson(checkOps("s", ops)), canonicalJson(ops))));
  });

  it("of a step are refused with an InputError when they are anything else", () => {
    fc.assert(
      fc.property(fc.oneof(anything, fc.array(anything, { minLength: 1 })), (value) => {
        fc.pre(!Array.isArray(value) || value.length > 0);
        assert.throws(() => checkOps("s", value), InputError);
      }),
    );
  });
});
