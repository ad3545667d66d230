import assert from "node:assert/strict";
import fc from "fast-check";
import { packages } from "../../../src/core/base.ts";
import { explainReason } from "../../../src/core/explain-reason.ts";
import { rememberedPlan, type FormerPlan } from "../../../src/core/former-plan.ts";
import type { Op } from "../../../src/core/op.ts";
import { copyIn, run, writeFile } from "../../../src/core/op-makers.ts";
import { planDiff, type CacheState, type StepStatus } from "../../../src/core/plan-diff.ts";
import type { Plan } from "../../../src/core/plan.ts";
import { describeReason, reasonJson } from "../../../src/core/reason.ts";
import { freshBoot, maxAge, volatile } from "../../../src/core/step-settings.ts";
import { defineStep, type Step } from "../../../src/core/step.ts";
import { files, opLists, plan, stepsOf } from "./arbitraries.ts";

const NOW = Date.parse("2026-11-20T12:00:00Z");
const DAY_MS = 86_400_000;
const ABSENT: CacheState = { layers: 1, end: { kind: "absent" }, now: NOW };

const [A, B, C] = ["a", "b", "c"].map((name) => defineStep(name, [run(name)])) as [Step, Step, Step];

/** The former plan, every step of it finished unless told. */
function former(of: Plan, finished = true): FormerPlan {
  return rememberedPlan(of, () => finished);
}

/** Reasons per step, as lines. */
function why(statuses: readonly StepStatus[]): string[][] {
  return statuses.map(({ reasons }) => reasons.map(describeReason));
}

/** What is said when `before` was built and `after` is planned, with `cached` steps in the store. */
function changesOf(before: readonly Step[], after: readonly Step[], cached = 0): string[][] {
  const cache = { ...ABSENT, layers: cached + 1 };
  return why(planDiff(plan({ steps: after }), cache, former(plan({ steps: before }))));
}

/** What is said of a step whose ops changed. */
function opChanges(before: readonly Op[], after: readonly Op[]): string[] {
  return changesOf([defineStep("s", before)], [defineStep("s", after)])[0] ?? [];
}

describe("status of steps", () => {
  it("is cached for those whose layers are there, and has a reason for every other", () => {
    fc.assert(
      fc.property(opLists, opLists, fc.nat({ max: 7 }), (before, after, layers) => {
        const made = plan({ steps: stepsOf(after) });
        const cached = Math.max(0, Math.min(layers, after.length + 1) - 1);
        const end = { kind: cached === after.length ? "complete" : "absent" } as const;
        const statuses = planDiff(
          made,
          { layers: cached + 1, end, now: NOW },
          former(plan({ steps: stepsOf(before) })),
        );
        statuses.forEach(({ status, reasons, key }, index) => {
          assert.equal(status, index < cached ? "cached" : "will-run");
          assert.equal(reasons.length > 0, status === "will-run");
          assert.equal(key, made.disk.steps[index]?.key);
          assert.equal(reasons.filter(({ cause }) => cause === "follows").length, index > cached ? 1 : 0);
        });
      }),
    );
  });

  it("names the first step that runs to those that follow it", () => {
    const said = why(planDiff(plan({ steps: [A, B, C] }), { ...ABSENT, layers: 2 }, undefined));
    assert.deepEqual(said, [[], ["never built before"], ["follows b, which will run"]]);
  });

  it("is decided by the store alone: steps that changed back are cached", () => {
    const cache = { layers: 4, end: { kind: "complete" }, now: NOW } as const;
    const other = former(plan({ steps: [defineStep("a", [run("x")]), B, C] }));
    assert.deepEqual(why(planDiff(plan({ steps: [A, B, C] }), cache, other)), [[], [], []]);
  });
});

describe("reason why a step runs", () => {
  it("is that the step is new", () => {
    assert.deepEqual(changesOf([A, C], [A, B, C], 1), [[], ["the step is new"], ["follows b, which will run"]]);
  });

  it("is that a step before it was removed", () => {
    assert.deepEqual(changesOf([A, B, C], [A, C], 1), [[], ["step b before it was removed"]]);
  });

  it("is that it moved, with its positions", () => {
    assert.deepEqual(changesOf([A, B, C], [C, A, B])[0], ["the step moved: position 3 → 1"]);
    assert.deepEqual(changesOf([A, B, C], [C, A, B]).slice(1), [
      ["follows c, which will run"],
      ["follows c, which will run"],
    ]);
    assert.deepEqual(changesOf([A, B], [B, A])[0], ["the step moved: position 2 → 1"]);
  });

  it("is that an op was added, removed or changed, with its number and fields", () => {
    assert.deepEqual(opChanges([run("a")], [run("a"), run("b")]), ["op 2 (b): added"]);
    assert.deepEqual(opChanges([run("a"), run("b")], [run("b")]), ["op 1 (a): removed"]);
    assert.deepEqual(opChanges([run("b", "1"), run("c")], [run("b", "2"), run("c")]), [
      'op 1 (b 2), argv: +1 −1 arguments; argument 2: "1" → "2"',
    ]);
    assert.deepEqual(opChanges([{ ...run("a"), timeoutMs: 5 }], [run("a")]), ["op 1 (a), timeoutMs: 5 → none"]);
  });

  it("tells path, mode, owner and the first line of a written file", () => {
    const before = writeFile("/etc/motd", "one\ntwo\nthree\n", { mode: 0o644 });
    const after = writeFile("/etc/motd", "one\nzwei\nthree\nfour\n", { mode: 0o755, owner: "a:b" });
    assert.deepEqual(opChanges([before], [after]), [
      'op 1 (write /etc/motd), content: +2 −1 lines; line 2: "two" → "zwei"',
      "op 1 (write /etc/motd), mode: 0644 → 0755",
      "op 1 (write /etc/motd), owner: root:root → a:b",
    ]);
    assert.deepEqual(opChanges([before], [{ ...before, path: "/etc/issue" }]), [
      "op 1 (write /etc/issue), path: /etc/motd → /etc/issue",
    ]);
  });

  it("tells the digests of a copied file", () => {
    const said = opChanges([copyIn("files/a", "/a")], [copyIn("files/b", "/a")]);
    assert.deepEqual(said, ["op 1 (copy to /a), digest: 000000000000 → 111111111111"]);
  });

  it("compares a file of more than 64 KiB by its digest", () => {
    const big = (letter: string): Op => writeFile("/big", letter.repeat(70_000));
    const [said] = opChanges([big("a")], [big("b")]);
    assert.match(
      said ?? "",
      /^op 1 \(write \/big\), content: [0-9a-f]{12} \(70002 bytes\) → [0-9a-f]{12} \(70002 bytes\)$/,
    );
    assert.deepEqual(opChanges([big("a"), run("x")], [big("a"), run("y")]).length, 1);
  });

  it("is that it is to run right after a boot, or not any more", () => {
    assert.deepEqual(changesOf([A], [freshBoot(A)])[0], ["freshBoot changed: false → true"]);
  });

  it("is the base, the disk's size, the system or the format of keys", () => {
    const before = former(plan({ steps: [A] }));
    const said = (after: Plan, remembered = before): string[] => why(planDiff(after, ABSENT, remembered))[0] ?? [];
    const other = `sha256:${"c".repeat(64)}` as const;
    assert.deepEqual(said(plan({ steps: [A] }, { packagesBase: other })), [
      "the base changed: bbbbbbbbbbbb → cccccccccccc",
    ]);
    assert.deepEqual(said(plan({ steps: [A] }, { packagesBase: undefined })), [
      "the base is not made any more (it was bbbbbbbbbbbb)",
    ]);
    assert.deepEqual(said(plan({ steps: [A], disk: { sizeGiB: 11 } })), ["disk size changed: 10 GiB → 11 GiB"]);
    assert.deepEqual(said(plan({ steps: [A], base: packages({ distribution: "debian", release: "13" }) })), [
      "release changed: 12 → 13",
    ]);
    assert.deepEqual(said(plan({ steps: [A] }), { ...before, keyFormatVersion: 1, steps: [] }), [
      "kvci-build's key format changed: 1 → 2",
      "the step is new",
    ]);
  });

  it("is that nothing was ever built, and of a base that is not made that", () => {
    assert.deepEqual(why(planDiff(plan({ steps: [A] }, { packagesBase: undefined }), ABSENT, undefined))[0], [
      "the base is not made yet",
      "never built before",
    ]);
  });

  it("is that it is volatile, wherever it stands", () => {
    const steps = [A, volatile(B), volatile(C)];
    const cache: CacheState = { layers: 2, end: { kind: "volatile" }, now: NOW };
    const always = "volatile: runs in every build";
    assert.deepEqual(why(planDiff(plan({ steps }), cache, former(plan({ steps })))), [
      [],
      [always],
      ["follows b, which will run", always],
    ]);
    assert.deepEqual(why(planDiff(plan({ steps }), cache, undefined))[1], [always]);
  });

  it("is that its layer is too old, with age and limit", () => {
    const steps = [A, maxAge("7d", B)];
    const createdAt = new Date(NOW - 8 * DAY_MS).toISOString();
    const cache: CacheState = { layers: 2, end: { kind: "too-old", createdAt }, now: NOW };
    assert.deepEqual(
      why(planDiff(plan({ steps }), cache, former(plan({ steps }))))[1]?.[0],
      ["its layer is 8d old, more than its maxAge of 7d"][0],
    );
    assert.equal(why(planDiff(plan({ steps }), cache, undefined))[1]?.length, 1);
  });

  it("is, when nothing changed, that its layer is gone or was never finished", () => {
    const made = plan({ steps: [A, B] });
    const cache = { ...ABSENT, layers: 2 };
    assert.match(
      why(planDiff(made, cache, former(made)))[1]?.[0] ?? "",
      /^unchanged, but its layer is not in the store/,
    );
    assert.deepEqual(why(planDiff(made, cache, former(made, false)))[1], ["did not finish in the last build"]);
  });

  it("names a cached step before it that the last build had otherwise", () => {
    assert.deepEqual(changesOf([defineStep("a", [run("x")]), B], [A, B], 1)[1], [
      "step a before it is not what it was in the last build",
    ]);
  });

  it("finds a renamed step again by its ops", () => {
    const renamed = defineStep("renamed", [run("b"), run("c")]);
    const before = [A, defineStep("b", [run("b"), run("c")])];
    assert.match(changesOf(before, [A, renamed], 1)[1]?.[0] ?? "", /^unchanged, but its layer/);
  });
});

describe("explanation of a reason", () => {
  const of = (before: readonly Op[], after: readonly Op[]): string[] =>
    planDiff(plan({ steps: stepsOf([after]) }), ABSENT, former(plan({ steps: stepsOf([before]) })))
      .flatMap(({ reasons }) => reasons)
      .flatMap(explainReason);

  it("shows a changed file line by line, and nothing shortened", () => {
    const long = "x".repeat(500);
    assert.deepEqual(of([writeFile("/f", `a\n${long}\n`)], [writeFile("/f", `b\n${long}\n`)]), [
      "op 1 (write /f), content:",
      "  @@ -1,3 +1,3 @@",
      "  -a",
      "  +b",
      `   ${long}`,
      "   ",
    ]);
  });

  it("shows whole digests and whole ops", () => {
    assert.deepEqual(of([copyIn("files/a", "/a")], [copyIn("files/b", "/a")]), [
      "op 1 (copy to /a), digest:",
      `  -${String(files.get("files/a")?.digest)}`,
      `  +${String(files.get("files/b")?.digest)}`,
    ]);
    assert.deepEqual(of([run("a")], [run("a"), run("b")]), ["op 2 (b): added:", '  +{"kind":"run","argv":["b"]}']);
  });

  it("is for programs the input with its values", () => {
    const reason = { cause: "disk-size", input: "disk size", from: "10 GiB", to: "11 GiB" } as const;
    assert.deepEqual(reasonJson(reason), reason);
    const long = reasonJson({ cause: "op-changed", input: "x", from: "y".repeat(900) }) as { from: string };
    assert.ok(long.from.length < 100);
  });
});
