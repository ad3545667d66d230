import { shortDigest } from "../../core/digest.ts";
import type { PlannedOp } from "../../core/op.ts";
import { describePlannedOp } from "../../core/describe-op.ts";
import type { Plan, PlannedBase, PlannedStep } from "../../core/plan.ts";
import type { PlanStatus } from "../plan-status.ts";
import { PLAIN_LOOK, renderStatus, statusJson, stepSettings, type Look } from "./render-status.ts";
import { visible } from "./visible.ts";

/** What a line of the plan shows of an op; the whole of it is in `--json`. */
const MAX_OP_WIDTH = 100;
const MIB = 1024 ** 2;

/**
 * A plan for people: what it is made of, every step with its key and its ops, one per line, and last, where a terminal shows
 * it without scrolling, what would be done of it and why. Ends in a newline.
 */
export function renderPlan(plan: Plan, status?: PlanStatus, look: Look = PLAIN_LOOK): string {
  const { disk, machine } = plan;
  const { platform } = disk;
  const labels = Object.entries(plan.labels).map(([name, value]) => `${name}=${value}`);
  const facts: readonly (readonly [string, string])[] = [
    ["template", `${plan.template}, ${platform.arch}`],
    ["plan", shortDigest(plan.id)],
    ["base", describeBase(plan.base)],
    ["system", `${platform.distribution} ${platform.release}, ${platform.family}, ${platform.bootLoader}`],
    ["disk", `${String(disk.virtualBytes / MIB / 1024)} GiB, starts at key ${shortDigest(disk.firstKey)}`],
    ["machine", `${String(machine.memoryMiB)} MiB, ${String(machine.cpus)} CPUs, ${machine.firmware}`],
    ["outputs", plan.outputs.join(", ")],
    ["checks", plan.checks.join(", ") || "none"],
    ["labels", labels.join(", ") || "none"],
  ];
  const width = Math.max(...facts.map(([name]) => name.length));
  const head = facts.map(([name, value]) => `${name.padEnd(width)}  ${visible(value)}`);
  const seal = ["", "seal, never cached", ...plan.disk.seal.map(opLine)];
  const doing = status ? ["", ...renderStatus(plan, status, look)] : [];
  return [...head, ...plan.disk.steps.flatMap(stepLines), ...seal, ...doing, ""].join("\n");
}

/**
 * A plan for programs: the very object that is hashed, in the order in which it is made, and after its members as `cache`
 * what would be done of it. The same input and the same store give the same bytes.
 */
export function planJson(plan: Plan, status?: PlanStatus): string {
  const value = status ? { ...plan, cache: statusJson(status) } : plan;
  return `${JSON.stringify(value, null, 2)}\n`;
}

function stepLines(step: PlannedStep, index: number): string[] {
  const title = [step.name, `key ${shortDigest(step.key)}`, ...stepSettings(step)].join(", ");
  return ["", `${String(index + 1).padStart(2)}  ${title}`, ...step.ops.map(opLine)];
}

function opLine(op: PlannedOp): string {
  const text = visible(describePlannedOp(op));
  return `      ${text.length > MAX_OP_WIDTH ? `${text.slice(0, MAX_OP_WIDTH - 1)}…` : text}`;
}

function describeBase({ image, identity, pinned }: PlannedBase): string {
  const digest = pinned ? shortDigest(identity) : `${shortDigest(identity)} until it is made, when every key changes`;
  switch (image.kind) {
    case "template":
      return `template ${image.name}, ${digest}`;
    case "local-disk":
      return `disk ${image.path}, ${digest}`;
    default:
      return `${image.kind} ${image.distribution} ${image.release}, ${digest}`;
  }
}
