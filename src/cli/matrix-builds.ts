import { wantedLayers } from "../../builders/qemu/reusable-chain.ts";
import type { BuildEvent } from "../core/event.ts";
import type { Sink } from "../journal/sink.ts";
import { buildPlanned } from "./build.ts";
import type { BuildSetup, FinishedBuild } from "./build-setup.ts";
import { buildJobs, madeAfter, madeWith, type BuildJob } from "./matrix-jobs.ts";
import { runJobs, type Outcome } from "./matrix-run.ts";
import { buildName, withKnownBase, type PlannedTemplate } from "./plans.ts";
import { layersOf } from "./session.ts";

/** What became of one template on one architecture. */
export interface BuildOutcome {
  readonly job: BuildJob;
  /** Wall-clock time, waiting for machines included; 0 when it was not begun. */
  readonly durationMs: number;
  readonly outcome: Outcome<FinishedBuild>;
}

/**
 * Builds templates and those below them side by side: each once, what they share once, and none of them stopped by the failure
 * of another.
 *
 * @param limit builds at once.
 * @returns what became of each, those that were built for others included.
 */
export async function buildMatrix(
  planned: readonly PlannedTemplate[],
  setup: BuildSetup,
  limit: number,
): Promise<BuildOutcome[]> {
  const jobs = buildJobs(planned, { shared: setup.cache.layers });
  const reports = new Map<string, (event: BuildEvent) => void>();
  const { session } = setup;
  const journal = session.journal.forBuild({ build: "kvci-build", sinks: [watching(reports)] });
  const watched: BuildSetup = { ...setup, session: { ...session, journal } };
  const times = new Map<string, number>();
  const outcomes = await runJobs<BuildJob, FinishedBuild>(jobs, {
    limit,
    signal: session.signal,
    work: async (job, made) => {
      const startedMs = performance.now();
      reports.set(job.id, (event) => made(madeBy(event, job)));
      try {
        const value = await buildJob(job, watched, made);
        return { ok: value.verification?.ok ?? true, value };
      } finally {
        reports.delete(job.id);
        times.set(job.id, performance.now() - startedMs);
      }
    },
  });
  return jobs.map((job) => ({
    job,
    durationMs: Math.round(times.get(job.id) ?? 0),
    outcome: outcomes.get(job.id) ?? { kind: "not-begun", because: undefined },
  }));
}

async function buildJob(
  { planned, asked }: BuildJob,
  setup: BuildSetup,
  made: (count: number) => void,
): Promise<FinishedBuild> {
  const { session, known } = setup;
  // Planned before the others were built: a base that one of them made has its digest by now.
  const fresh = await withKnownBase(session.app, planned, known);
  const { layers } = await layersOf(session).chain(wantedLayers(fresh.plan.disk), { now: session.app.now() });
  made(madeWith(layers.length));
  return buildPlanned(fresh, asked ? setup : { ...setup, verify: false });
}

/** How much of what a build makes is there after an event of it; 0 for events that do not tell. */
function madeBy(event: BuildEvent, { planned }: BuildJob): number {
  if (event.type === "layer-kept") return madeAfter(planned.plan, event.step);
  return event.type === "span-ended" && event.kind === "phase" && event.name === "base" && event.ok ? 1 : 0;
}

function watching(reports: ReadonlyMap<string, (event: BuildEvent) => void>): Sink {
  return { write: ({ build, event }) => reports.get(build)?.(event) };
}

/** Names of the steps of every build of a run, by the build's name. */
export function stepNames(planned: readonly PlannedTemplate[]): ReadonlyMap<string, readonly string[]> {
  const chain = (one: PlannedTemplate): PlannedTemplate[] => [one, ...(one.parent ? chain(one.parent) : [])];
  return new Map(planned.flatMap(chain).map(({ plan }) => [buildName(plan), plan.disk.steps.map(({ name }) => name)]));
}
