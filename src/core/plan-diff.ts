import { formatAge } from "./age.ts";
import type { Digest } from "./digest.ts";
import { fieldsOf, opIdentity, type FieldValue, type FormerPlan, type FormerStep } from "./former-plan.ts";
import { KEY_FORMAT_VERSION } from "./key.ts";
import { diffLines } from "./line-diff.ts";
import { diffOps } from "./op-diff.ts";
import type { Plan, PlannedStep } from "./plan.ts";
import type { Platform } from "./platform.ts";
import type { Cause, Reason } from "./reason.ts";

/**
 * How much of a plan the store has, and why not more; `end` is that of `LayerStore.chain`, or `unwanted` when layers are not to
 * be used.
 */
export interface CacheState {
  /** Layers found: first that of the first boot, then those of the steps. */
  readonly layers: number;
  readonly end:
    | { readonly kind: "complete" | "volatile" | "absent" | "unwanted" }
    | { readonly kind: "too-old"; readonly createdAt: string };
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export interface StepStatus {
  readonly name: string;
  readonly key: Digest;
  readonly status: "cached" | "will-run";
  /** None for a cached step; at least one for a step that will run. */
  readonly reasons: readonly Reason[];
}

/** What each step of a plan will do, with every input that is not what it was in the plan built last. */
export function planDiff(plan: Plan, cache: CacheState, former: FormerPlan | undefined): StepStatus[] {
  const { steps } = plan.disk;
  const first = Math.max(0, cache.layers - 1);
  const order = matchSteps(steps, former?.steps ?? []);
  return steps.map((step, index): StepStatus => {
    const { name, key } = step;
    if (index < first) return { name, key, status: "cached", reasons: [] };
    const own = { plan, step, index, former, order };
    const reasons = index === first ? firstReasons(own, cache) : laterReasons(own, steps[first]?.name ?? "");
    return { name, key, status: "will-run", reasons };
  });
}

interface Subject {
  readonly plan: Plan;
  readonly step: PlannedStep;
  readonly index: number;
  readonly former: FormerPlan | undefined;
  readonly order: StepOrder;
}

function firstReasons(subject: Subject, { end, layers, now }: CacheState): Reason[] {
  const { step, former } = subject;
  const reasons: Reason[] = step.volatile ? [reason("volatile", "volatile")] : [];
  if (end.kind === "unwanted") reasons.push(reason("cache-unused", "--no-cache"));
  // The end is that of the first boot's layer when not even that is there.
  if (end.kind === "too-old" && layers > 0) reasons.push(tooOld(step, end.createdAt, now));
  if (!former) return reasons.length > 0 ? reasons : [...startReasons(subject), reason("never-built", "template")];
  reasons.push(...startReasons(subject), ...ownReasons(subject, true));
  if (reasons.length > 0) return reasons;
  return [unchangedReason(subject, former.steps)];
}

function laterReasons(subject: Subject, first: string): Reason[] {
  const own = subject.former ? ownReasons(subject, false) : [];
  const always = subject.step.volatile ? [reason("volatile", "volatile")] : [];
  return [reason("follows", first), ...always, ...own];
}

/** Why a step runs whose own inputs are what they were. */
function unchangedReason({ plan, step, index, order }: Subject, former: readonly FormerStep[]): Reason {
  const same = former.find(({ key }) => key === step.key);
  if (same) return reason(same.finished ? "layer-gone" : "not-finished", "layer");
  const before = plan.disk.steps.slice(0, index).find(({ key }) => !former.some((each) => each.key === key));
  if (before) return reason("step-before-changed", before.name);
  return reason("key-changed", "key", { from: order.former.get(step.name)?.step.key, to: step.key });
}

/** What is different about where the chain starts. */
function startReasons({ plan, former }: Subject): Reason[] {
  const { disk, base } = plan;
  if (!former) return base.pinned ? [] : [reason("base-not-made", "base")];
  const isOtherBase = former.base !== disk.base;
  return [
    ...changed("key-format", "key format", { from: former.keyFormatVersion, to: KEY_FORMAT_VERSION }),
    ...(isOtherBase && !base.pinned ? [reason("base-not-made", "base", { from: former.base })] : []),
    ...(base.pinned ? changed("base-changed", "base", { from: former.base, to: disk.base }) : []),
    ...changed("disk-size", "disk size", { from: gib(former.virtualBytes), to: gib(disk.virtualBytes) }),
    ...platformFields(disk.platform).flatMap((name) =>
      changed("platform", name, { from: former.platform[name], to: disk.platform[name] }),
    ),
  ];
}

function platformFields(platform: Platform): (keyof Platform)[] {
  return Object.keys(platform) as (keyof Platform)[];
}

function gib(bytes: number): string {
  return `${String(bytes / 1024 ** 3)} GiB`;
}

/** What is different about a step itself; for the first that runs also about those before it, which its key covers. */
function ownReasons({ step, index, order }: Subject, isFirst: boolean): Reason[] {
  const known = order.former.get(step.name);
  if (!known) return [reason("step-new", step.name)];
  const moved = isFirst ? known.rank !== order.rank.get(step.name) : order.moved.has(step.name);
  return [
    ...(isFirst ? order.removedBefore(known.index).map((name) => reason("step-removed", name)) : []),
    ...(moved ? [reason("step-moved", step.name, { from: known.index + 1, to: index + 1 })] : []),
    ...changed("fresh-boot", "freshBoot", {
      from: String(known.step.freshBoot ?? false),
      to: String(step.freshBoot ?? false),
    }),
    ...diffOps(known.step.ops, step.ops.map(fieldsOf)),
  ];
}

interface KnownStep {
  readonly step: FormerStep;
  readonly index: number;
  /** Place among the steps that both plans have. */
  readonly rank: number;
}

interface StepOrder {
  /** By the name the step has now. */
  readonly former: ReadonlyMap<string, KnownStep>;
  readonly rank: ReadonlyMap<string, number>;
  /** Names of the fewest steps that have to move to make the old order the new one. */
  readonly moved: ReadonlySet<string>;
  /** Names of steps that are not in the plan any more and were before that place. */
  removedBefore(index: number): string[];
}

/** Finds the steps again: by name, and those that got another name by their ops. */
function matchSteps(steps: readonly PlannedStep[], former: readonly FormerStep[]): StepOrder {
  const indexOf = indexesOf(steps, former);
  const now = steps.map(({ name }) => name).filter((name) => indexOf.has(name));
  const before = [...now].sort((a, b) => (indexOf.get(a) ?? 0) - (indexOf.get(b) ?? 0));
  const places = new Map(before.map((name, rank) => [name, rank]));
  const kept = new Set(indexOf.values());
  return {
    former: new Map(
      [...indexOf].flatMap(([name, index]) => {
        const step = former[index];
        return step ? [[name, { step, index, rank: places.get(name) ?? 0 }] as const] : [];
      }),
    ),
    rank: new Map(now.map((name, rank) => [name, rank])),
    moved: new Set(
      diffLines(before, now)
        .filter(({ kind }) => kind === "added")
        .map(({ text }) => text),
    ),
    removedBefore: (index) => former.slice(0, index).flatMap(({ name }, each) => (kept.has(each) ? [] : [name])),
  };
}

/** Index in the former plan by the name a step has now. */
function indexesOf(steps: readonly PlannedStep[], former: readonly FormerStep[]): Map<string, number> {
  const byName = new Map(former.map(({ name }, index) => [name, index]));
  const names = new Set(steps.map(({ name }) => name));
  const renamed = new Map(
    former.flatMap((step, index) => (names.has(step.name) ? [] : [[step.ops.map(opIdentity).join(), index] as const])),
  );
  const found = new Map<string, number>();
  for (const { name, ops } of steps) {
    const identity = renamed.size > 0 && !byName.has(name) ? ops.map((op) => opIdentity(fieldsOf(op))).join() : "";
    const index = byName.get(name) ?? renamed.get(identity);
    renamed.delete(identity);
    if (index !== undefined) found.set(name, index);
  }
  return found;
}

function tooOld({ name, maxAgeMs = 0 }: PlannedStep, createdAt: string, now: number): Reason {
  return reason("too-old", name, { from: formatAge(now - Date.parse(createdAt)), to: formatAge(maxAgeMs) });
}

interface Values {
  readonly from?: FieldValue | undefined;
  readonly to?: FieldValue | undefined;
}

function changed(cause: Cause, input: string, values: Values): Reason[] {
  return values.from === values.to ? [] : [reason(cause, input, values)];
}

function reason(cause: Cause, input: string, { from, to }: Values = {}): Reason {
  return { cause, input, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
}
