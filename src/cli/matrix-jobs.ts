import { KvciError } from "../core/error.ts";
import type { Plan } from "../core/plan.ts";
import type { Job } from "./matrix-run.ts";
import { buildName, type PlannedTemplate } from "./plans.ts";

/** One template on one architecture, as part of a run of several. */
export interface BuildJob extends Job {
  readonly planned: PlannedTemplate;
  /** False for one that is built only because another is based on it. */
  readonly asked: boolean;
}

/**
 * The jobs of a run: every template on every architecture once, with those that they are based on, lowest first.
 *
 * @param options.shared false when builds make no use of each other's layers.
 * @throws {KvciError} `usage` when two files make templates of one name: they would be built into one folder.
 */
export function buildJobs(
  planned: readonly PlannedTemplate[],
  { shared }: { readonly shared: boolean },
): readonly BuildJob[] {
  const jobs = new Map<string, BuildJob>();
  const asked = new Set(planned.map(({ plan }) => buildName(plan)));
  const add = (one: PlannedTemplate): void => {
    if (one.parent) add(one.parent);
    const id = buildName(one.plan);
    const known = jobs.get(id);
    if (known) checkSame(known.planned, one);
    else jobs.set(id, jobOf(one, { asked: asked.has(id), shared }));
  };
  for (const one of planned) add(one);
  return [...jobs.values()];
}

function jobOf(planned: PlannedTemplate, { asked, shared }: { asked: boolean; shared: boolean }): BuildJob {
  const { plan, parent } = planned;
  return {
    id: buildName(plan),
    planned,
    asked,
    after: parent ? [buildName(parent.plan)] : [],
    makes: shared ? madeBy(plan) : [],
  };
}

/** The base, the disk after its first boot, and the disk after each step whose layer is kept. */
function madeBy({ disk }: Plan): string[] {
  const volatile = disk.steps.findIndex((step) => step.volatile);
  const kept = volatile === -1 ? disk.steps : disk.steps.slice(0, volatile);
  return [`${disk.base} ${disk.platform.arch}`, disk.bootKey, ...kept.map(({ key }) => key)];
}

/** How many of the things that a build makes are there when its chain has so many layers, the first boot's among them. */
export function madeWith(layers: number): number {
  return layers === 0 ? 0 : layers + 1;
}

/** How many of them are there once the layer of a step is; any other name stands for the first boot. */
export function madeAfter({ disk }: Plan, step: string): number {
  return madeWith(disk.steps.findIndex(({ name }) => name === step) + 2);
}

function checkSame(one: PlannedTemplate, other: PlannedTemplate): void {
  const files = [one, other].map(({ loaded }) => loaded.file);
  if (files[0] === files[1]) return;
  throw new KvciError("usage", `two files make a template called "${one.plan.template}"`, {
    hint: "Give one of them another name, or build them into different folders: once each, with --out.",
    evidence: files,
  });
}
