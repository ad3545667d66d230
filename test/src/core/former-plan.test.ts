import assert from "node:assert/strict";
import fc from "fast-check";
import { canonicalJson } from "../../../src/core/canonical-json.ts";
import { sha256 } from "../../../src/core/digest.ts";
import { fieldsOf, opIdentity, rememberedPlan } from "../../../src/core/former-plan.ts";
import type { PlannedOp } from "../../../src/core/op.ts";
import { run, writeFile } from "../../../src/core/op-makers.ts";
import { opLists, plan, stepsOf } from "./arbitraries.ts";

const none = (): boolean => false;

describe("remembered plan", () => {
  it("keeps every op in full, unless it is long", () => {
    fc.assert(
      fc.property(opLists, (lists) => {
        const made = plan({ steps: stepsOf(lists) });
        const ops = rememberedPlan(made, none).steps.map((step) =>
          step.ops.map(({ kind, fields }) => ({ kind, ...fields })),
        );
        assert.equal(canonicalJson(ops), canonicalJson(made.disk.steps.map((step) => step.ops)));
      }),
    );
  });

  it("keeps digest and size of a file of more than 64 KiB, and knows it again by them", () => {
    const op = writeFile("/etc/big", "x".repeat(70_000));
    const [step] = rememberedPlan(plan({ steps: stepsOf([[op]]) }), none).steps;
    const json = JSON.stringify(op.content);
    assert.deepEqual(step?.ops[0]?.fields["content"], { digest: sha256(json), bytes: json.length });
    assert.equal(opIdentity(step.ops[0]), opIdentity(fieldsOf(op)));
  });

  it("is of bounded size, however many long files there are", () => {
    const ops = Array.from({ length: 200 }, (_, index) =>
      writeFile(`/f${String(index)}`, `${String(index)}${"x".repeat(60_000)}`),
    );
    const remembered = rememberedPlan(plan({ steps: stepsOf([ops]) }), none);
    assert.ok(JSON.stringify(remembered).length < 5 * 1024 ** 2);
    assert.deepEqual(
      remembered.steps[0]?.ops.map(opIdentity),
      ops.map((op) => opIdentity(fieldsOf(op))),
    );
  });

  it("says which steps have been finished", () => {
    const made = plan({ steps: stepsOf([[run("a")], [run("b")]]) });
    const first = made.disk.steps[0]?.key;
    assert.deepEqual(
      rememberedPlan(made, (key) => key === first).steps.map(({ finished }) => finished),
      [true, false],
    );
  });
});

describe("identity of an op", () => {
  it("tells ops apart by every field", () => {
    const ops: PlannedOp[] = [
      run("a"),
      run("a", ""),
      { ...run("a"), timeoutMs: 1 },
      writeFile("/a", ""),
      writeFile("/a", "a"),
    ];
    assert.equal(new Set(ops.map((op) => opIdentity(fieldsOf(op)))).size, ops.length);
  });

  it("does not see fields that are there without a value", () => {
    const op = { ...run("a"), timeoutMs: undefined } as unknown as PlannedOp;
    assert.equal(opIdentity(fieldsOf(op)), opIdentity(fieldsOf(run("a"))));
  });
});
