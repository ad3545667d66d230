import { digestOfValue, type Digest } from "../core/digest.ts";
import { KvciError } from "../core/error.ts";
import type { Arch } from "../core/platform.ts";
import type { JsonValue } from "./json.ts";
import { PHASES } from "./phase.ts";
import type { KeptPlan } from "./plan-file.ts";
import type { PreflightFinding, Publisher, ReleaseBuild } from "./publisher.ts";
import type { PublishStep } from "./step.ts";

/** A build in a plan: enough to tell that it is the same one. */
export interface PlannedRelease {
  readonly template: string;
  readonly arch: Arch;
  readonly version: string;
  readonly content: Digest;
}

/** What is to be done so that builds are published; nothing when they are. */
export interface PublishPlan {
  readonly formatVersion: 1;
  /** Of builds, targets and steps: equal ids mean that nothing changed in between. */
  readonly id: Digest;
  /** Of builds and targets: equal for all runs that publish the same to the same places. */
  readonly subject: Digest;
  readonly builds: readonly PlannedRelease[];
  readonly targets: readonly string[];
  /** In the order of the phases. */
  readonly steps: readonly PublishStep[];
  readonly findings: readonly PreflightFinding[];
}

/** A publisher of any state; its state goes nowhere but back to it. */
export type AnyPublisher = Publisher;

/**
 * Looks at every target and says what is missing there. Moves nothing and changes nothing.
 *
 * @throws {KvciError} `publish-conflict`, `publish-denied`, `publish-failed`
 */
export async function makePublishPlan(
  builds: readonly ReleaseBuild[],
  publishers: readonly AnyPublisher[],
  signal: AbortSignal,
): Promise<PublishPlan> {
  const parts = await Promise.all(
    publishers.map(async (publisher) => {
      const state: JsonValue = await publisher.observe(builds, signal);
      const steps = publisher.diff(builds, state);
      const findings = await publisher.preflight(builds, state, signal);
      return { steps, findings };
    }),
  );
  const planned = builds.map(({ template, arch, version, content }) => ({ template, arch, version, content }));
  const targets = publishers.map(({ target }) => target);
  const steps = inOrder(parts.flatMap((part) => part.steps));
  const subject = digestOfValue({ builds: planned, targets });
  return {
    formatVersion: 1,
    id: digestOfValue({ subject, steps }),
    subject,
    builds: planned,
    targets,
    steps,
    findings: parts.flatMap((part) => part.findings),
  };
}

/** By phase; within a phase as the publishers gave them. @throws {KvciError} `internal` for ids that are not unique or needs that come later. */
function inOrder(steps: readonly PublishStep[]): readonly PublishStep[] {
  const sorted = PHASES.flatMap((phase) => steps.filter((step) => step.phase === phase));
  const position = new Map(sorted.map(({ id, phase }) => [id, PHASES.indexOf(phase)]));
  if (position.size !== sorted.length) throw defect("two steps have one id");
  for (const { id, phase, needs } of sorted) {
    const late = needs.find((need) => (position.get(need) ?? Infinity) > PHASES.indexOf(phase));
    if (late !== undefined) throw defect(`${id} needs ${late}, which is not before it`);
  }
  return sorted;
}

/**
 * Compares a kept plan with one that was made just now.
 *
 * @param resuming lets through what is left of a plan that a run began.
 * @throws {KvciError} `publish-stale-plan` when what is there is no longer what the plan was made for.
 */
export function assertFresh(plan: KeptPlan, now: PublishPlan, { resuming = false } = {}): void {
  if (plan.id === now.id) return;
  const gone = without(plan, now).map((id) => `no longer needed: ${id}`);
  const added = without(now, plan).map((id) => `needed by now: ${id}`);
  if (resuming && plan.subject === now.subject && added.length === 0) return;
  throw new KvciError("publish-stale-plan", "the plan no longer fits what is at its targets", {
    hint: "Make a new plan with `kvci-build publish --plan`, look at it, and apply that; --resume takes what is left of this one.",
    evidence: gone.length + added.length > 0 ? [...gone, ...added] : ["the same steps, with other inputs"],
  });
}

/** Ids of steps that the other plan does not have. */
function without(plan: Pick<KeptPlan, "steps">, other: Pick<KeptPlan, "steps">): readonly string[] {
  const known = new Set(other.steps.map(({ id }) => id));
  return plan.steps.map(({ id }) => id).filter((id) => !known.has(id));
}

function defect(what: string): KvciError {
  return new KvciError("internal", `a publisher's steps do not fit together: ${what}`, { hint: "Report this." });
}
