import { rememberedPlan } from "./former-plan.ts";
import { planDiff } from "./plan-diff.ts";
import type { Plan } from "./plan.ts";
import { describeReason, type Cause } from "./reason.ts";
import { shortDigest, type Digest } from "./digest.ts";

/** They say what a build would do, not what is different; removed steps are told of by themselves. */
const OF_BUILDS: ReadonlySet<Cause> = new Set([
  "follows",
  "layer-gone",
  "not-finished",
  "volatile",
  "step-before-changed",
  "step-removed",
]);

/** What makes two plans of one template different disks, one line each; none when they are the same one. */
export function planChanges(plan: Plan, former: Plan): string[] {
  if (plan.id === former.id) return [];
  const layers = sharedLayers(plan, former);
  const steps = planDiff(
    plan,
    { layers, end: { kind: "absent" }, now: 0 },
    rememberedPlan(former, () => true),
  );
  const found = steps.flatMap(({ name, reasons }) =>
    reasons.filter(({ cause }) => !OF_BUILDS.has(cause)).map((reason) => `${name}: ${describeReason(reason)}`),
  );
  const all = [...found, ...removedSteps(plan, former)];
  return all.length > 0 ? all : [otherChange(plan, { base: former.disk.base, steps: former.disk.steps })];
}

/** The keys of an earlier plan, where nothing else of it is known. */
export interface FormerKeys {
  readonly base: Digest;
  readonly steps: readonly { readonly name: string; readonly key: Digest }[];
}

/** As `planChanges`, as far as keys can tell: the base, or the first step that is not what it was. */
export function keyChange({ disk }: Plan, former: FormerKeys): string {
  const index = disk.steps.findIndex(({ key }, at) => key !== former.steps[at]?.key);
  if (disk.base !== former.base || index === -1) return otherChange({ disk }, former);
  const step = disk.steps[index];
  const known = former.steps.some(({ name }) => name === step?.name);
  return known ? `${step?.name ?? ""}: it, or the order of steps, changed` : `${step?.name ?? ""}: the step is new`;
}

function otherChange({ disk }: Pick<Plan, "disk">, former: FormerKeys): string {
  if (disk.base !== former.base) return `the base changed: ${shortDigest(former.base)} → ${shortDigest(disk.base)}`;
  const gone = former.steps.slice(disk.steps.length).map(({ name }) => name);
  return gone.length > 0 ? `removed: ${gone.join(", ")}` : "sealing, disk size or platform changed";
}

function removedSteps({ disk }: Plan, former: Plan): string[] {
  const names = new Set(disk.steps.map(({ name }) => name));
  const keys = new Set(disk.steps.map(({ key }) => key));
  return former.disk.steps
    .filter(({ name, key }) => !names.has(name) && !keys.has(key))
    .map(({ name }) => `step ${name} was removed`);
}

/** Layers that both plans have: the first boot's, and those of the steps that begin them alike. */
function sharedLayers({ disk }: Plan, former: Plan): number {
  if (disk.bootKey !== former.disk.bootKey) return 0;
  const differs = disk.steps.findIndex(({ key }, index) => key !== former.disk.steps[index]?.key);
  return 1 + (differs === -1 ? disk.steps.length : differs);
}
