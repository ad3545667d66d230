import { join } from "node:path";
import { wantedLayers } from "../../builders/qemu/reusable-chain.ts";
import { planDiff, type CacheState, type StepStatus } from "../core/plan-diff.ts";
import { estimateBuild, estimateChecks, estimateMs, type Durations, type Estimate } from "../core/plan-estimate.ts";
import type { Plan } from "../core/plan.ts";
import { exists } from "../host/exists.ts";
import { BUILD_RECORD_FILE } from "../pipeline/build-record.ts";
import { outputFolder } from "../pipeline/output-folder.ts";
import { readHistory } from "../store/build-history.ts";
import type { Layer, LayerStore } from "../store/layer.ts";

/** A step's status with the time it took before, in milliseconds. */
export type TimedStatus = StepStatus & { readonly estimateMs?: number };

/** What building a plan would do now, and why. */
export interface PlanStatus {
  /** Whether the disk right after its first boot is in the store. */
  readonly firstBoot: StepStatus["status"];
  readonly steps: readonly TimedStatus[];
  /** The layers that would be used: that of the first boot, then those of the cached steps. */
  readonly layers: readonly Layer[];
  /** The folder that holds the result of this very plan already; then no step will run, and at most checks are done. */
  readonly result?: string;
  /** Of all that is to be done; no parts when that is nothing. */
  readonly estimate: Estimate;
}

export interface StatusPorts {
  /** The store's root, where builds are remembered. */
  readonly root: string;
  readonly layers: Pick<LayerStore, "chain">;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Absolute path of the folder that builds are put into; absent to leave results out of account. */
  readonly out?: string;
  /** False when layers of earlier builds are not to be used. Default: true. */
  readonly cache?: boolean;
  /** Says whether a machine can be restored at that layer instead of being booted. */
  readonly hasWarmState?: (layer: Layer) => Promise<boolean>;
}

/** Compares a plan with the store and with the plan that was built last. Reads records only. */
export async function planStatus(plan: Plan, ports: StatusPorts): Promise<PlanStatus> {
  const history = await readHistory(ports.root, plan.template, plan.disk.platform.arch);
  const { layers, end } = await usableChain(plan, ports);
  const compared = planDiff(plan, { layers: layers.length, end, now: ports.now }, history.plan);
  const standing = end.kind === "absent" || end.kind === "complete" ? await standingResult(plan, ports) : undefined;
  // With the result there nothing runs, be its layers there or not.
  const steps = standing ? compared.map(cachedStep) : compared;
  const { durations } = history;
  return {
    firstBoot: standing || layers.length > 0 ? "cached" : "will-run",
    steps: steps.map((step) => withTime(step, durations)),
    layers,
    ...(standing ? { result: standing.folder } : {}),
    estimate: standing
      ? estimateChecks(standing.unverified, durations)
      : estimateBuild({ plan, steps, durations, warm: await isWarm(layers.at(-1), ports) }),
  };
}

async function usableChain(
  { disk }: Plan,
  { layers, now, cache = true }: StatusPorts,
): Promise<{ readonly layers: readonly Layer[]; readonly end: CacheState["end"] }> {
  return cache ? layers.chain(wantedLayers(disk), { now }) : { layers: [], end: { kind: "unwanted" } };
}

async function isWarm(top: Layer | undefined, { hasWarmState }: StatusPorts): Promise<boolean> {
  return top !== undefined && ((await hasWarmState?.(top)) ?? false);
}

function cachedStep({ name, key }: StepStatus): StepStatus {
  return { name, key, status: "cached", reasons: [] };
}

function withTime(step: StepStatus, durations: Durations): TimedStatus {
  const ms = step.status === "cached" ? undefined : estimateMs(durations, `step ${step.name}`);
  return ms === undefined ? step : { ...step, estimateMs: ms };
}

interface StandingResult {
  readonly folder: string;
  /** Suites that the plan asks for and that the result has not passed. */
  readonly unverified: readonly string[];
}

async function standingResult(plan: Plan, { out, now }: StatusPorts): Promise<StandingResult | undefined> {
  if (out === undefined) return undefined;
  const folder = outputFolder(out, plan.template, plan.disk.platform.arch);
  if (!(await exists(join(folder, BUILD_RECORD_FILE)))) return undefined;
  // What a whole build needs is loaded only where there is one to look at.
  const { standingBuild } = await import("./up-to-date.ts");
  const standing = await standingBuild(folder, plan, now);
  return standing && { folder, unverified: plan.checks.filter((suite) => !standing.verifications.get(suite)?.ok) };
}
