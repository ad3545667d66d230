import assert from "node:assert/strict";
import { estimateBuild } from "../../../../src/core/plan-estimate.ts";
import { rememberedPlan } from "../../../../src/core/former-plan.ts";
import { run, writeFile } from "../../../../src/core/op-makers.ts";
import { planDiff } from "../../../../src/core/plan-diff.ts";
import type { Plan } from "../../../../src/core/plan.ts";
import { maxAge, phase, volatile } from "../../../../src/core/step-settings.ts";
import { defineStep, type Step } from "../../../../src/core/step.ts";
import { PLAIN_LOOK, renderStatus, statusJson } from "../../../../src/cli/template-loader/render-status.ts";
import type { PlanStatus } from "../../../../src/cli/plan-status.ts";
import { textWidth } from "../../../../src/journal/text-width.ts";
import type { Layer } from "../../../../src/store/layer.ts";
import { plan } from "../../core/arbitraries.ts";

const DURATIONS = { "phase boot": [27_100], "step motd": [1_200], "phase seal": [4_000], "phase convert": [3_000] };

function motd(text: string): Step {
  return defineStep("motd", [writeFile("/etc/motd", `${text}\n`)]);
}

/** The status of a plan of which the store has the first boot and `cached` steps. */
function statusOf(made: Plan, cached: number, before: Plan): PlanStatus {
  const kind = cached === made.disk.steps.length ? "complete" : "absent";
  const steps = planDiff(
    made,
    { layers: cached + 1, end: { kind }, now: 0 },
    rememberedPlan(before, () => true),
  );
  return {
    firstBoot: "cached",
    steps: steps.map((step) =>
      step.name === "motd" && step.status === "will-run" ? { ...step, estimateMs: 1_200 } : step,
    ),
    layers: Array.from({ length: cached + 1 }, () => ({}) as Layer),
    estimate: estimateBuild({ plan: made, steps, durations: DURATIONS, warm: false }),
  };
}

const containerd = defineStep("containerd", [run("apt-get", "install", "containerd")]);
const [tail] = phase("late", [maxAge("7d", volatile(defineStep("updates", [run("u")])))]) as [Step];

describe("status for people", () => {
  const before = plan({ steps: [containerd, motd("a"), tail], outputs: [], checks: [] });
  const after = plan({ steps: [containerd, motd("b"), tail], outputs: [], checks: [] });

  it("has a row per step, reasons below those that run, and the total", () => {
    assert.equal(
      renderStatus(after, statusOf(after, 1, before), PLAIN_LOOK).join("\n"),
      `✓ cached         first boot
✓ cached      1  containerd
● will run    2  motd        ~1.2 s
                 op 1 (write /etc/motd), content: +1 −1 lines; line 1: "a" → "b"
● will run    3  updates                volatile, maxAge 7d, phase late, follows motd

2 of 3 steps will run, from the layer after containerd; at least 35.3 s: boot 27.1 s, steps 1.2 s,
seal 4.0 s, convert 3.0 s; not timed yet: updates`,
    );
  });

  it("says that nothing is to be done when the result is there, but for verification", () => {
    const status = { ...statusOf(before, 3, before), result: "/x/out/t/amd64" };
    const last = (estimate: PlanStatus["estimate"]): string | undefined =>
      renderStatus(before, { ...status, estimate }, { ...PLAIN_LOOK, columns: 200 }).at(-1);
    const there = "/x/out/t/amd64 is the result of this plan";
    assert.equal(last({ totalMs: 0, parts: [] }), `${there}: nothing to do`);
    const parts = [{ kind: "phase", name: "verify boot", ms: 20_000 }] as const;
    const expected = `${there}: only its verification is to be done; about 20.0 s: verify boot 20.0 s`;
    assert.equal(last({ totalMs: 20_000, parts }), expected);
  });

  for (const columns of [80, 120]) {
    it(`fits into ${String(columns)} columns`, () => {
      const name = "a-step-whose-name-is-longer-than-anybody-would-ever-write-it";
      const settings = { volatile: true, maxAgeMs: 99 * 86_400_000, freshBoot: true, phase: "x".repeat(12) };
      const step = { ...defineStep(name, [writeFile("/etc/f", "word ".repeat(200))]), ...settings };
      const made = plan({ steps: [step, motd("b")] });
      const lines = renderStatus(made, statusOf(made, 0, plan({ steps: [motd("a")] })), { ...PLAIN_LOOK, columns });
      assert.deepEqual(
        lines.filter((line) => textWidth(line) > columns),
        [],
      );
    });
  }

  it("leaves a step's many changes to cache why", () => {
    const ops = (suffix: string) => Array.from({ length: 9 }, (_, index) => writeFile(`/f${String(index)}`, suffix));
    const made = plan({ steps: [defineStep("s", ops("b"))] });
    const lines = renderStatus(made, statusOf(made, 0, plan({ steps: [defineStep("s", ops("a"))] })), PLAIN_LOOK);
    assert.equal(lines.filter((line) => line.includes("content:")).length, 6);
    assert.ok(lines.some((line) => line.trim() === "and 3 more: kvci-build cache why t s"));
  });

  it("shows control characters instead of sending them to the terminal", () => {
    const made = plan({ steps: [motd("\u001b[31mred\u202e")] });
    const text = renderStatus(made, statusOf(made, 0, plan({ steps: [motd("a")] })), PLAIN_LOOK).join("\n");
    assert.doesNotMatch(text, /[^\P{Cc}\n]|\p{Cf}/u);
  });

  it("paints labels and dims reasons where there is colour", () => {
    const look = { columns: 100, paint: (style: string, text: string) => (text === "" ? "" : `<${style}>${text}</>`) };
    const [, first, second, reason] = renderStatus(after, statusOf(after, 1, before), look);
    assert.match(first ?? "", /^<green>✓ cached {2}<\/>/);
    assert.match(second ?? "", /^<yellow>● will run<\/>/);
    assert.match(reason ?? "", /^ +<dim>op 1/);
  });
});

describe("status for programs", () => {
  it("has reasons as input, from and to", () => {
    const made = plan({ steps: [motd("b")] });
    const status = statusOf(made, 0, plan({ steps: [motd("a")] }));
    assert.deepEqual(statusJson(status), {
      firstBoot: "cached",
      steps: [
        {
          name: "motd",
          key: made.disk.steps[0]?.key,
          status: "will-run",
          estimateMs: 1_200,
          reasons: [{ cause: "op-changed", input: "op 1 (write /etc/motd), content", from: "a\n", to: "b\n" }],
        },
      ],
      estimate: status.estimate,
    });
  });
});
