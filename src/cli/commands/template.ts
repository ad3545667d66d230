import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import type { CachePolicy } from "../../core/builder.ts";
import type { Environment } from "../../core/environment.ts";
import type { App } from "../app.ts";
import type { TemplateFlags } from "../flags.ts";
import { bounded } from "../../core/bounded.ts";
import { buildPlanned } from "../build.ts";
import type { BuildSetup, FinishedBuild } from "../build-setup.ts";
import { environmentNamed } from "../environment-named.ts";
import { knownBases, planNamed, statusPorts } from "../named-plans.ts";
import { planStatus } from "../plan-status.ts";
import { buildName, type PlannedTemplate } from "../plans.ts";
import { needPrograms } from "../need-programs.ts";
import { machineSlots, memoryBudgetMiB } from "../machine-slots.ts";
import { printBuilds } from "../print-builds.ts";
import { withSession } from "../session.ts";
import { planJson, renderPlan } from "../template-loader/render-plan.ts";
import { streamLook } from "../template-loader/render-status.ts";

/** `kvci-build template`: plans, and unless only the plan is wanted, builds, wraps and verifies. */
export async function template(app: App, names: readonly string[], flags: TemplateFlags): Promise<number> {
  const environment = await environmentNamed(app, flags.env);
  const known = await knownBases(app, environment);
  const planned = await planNamed(app, names, { arch: flags.arch, known });
  if (flags.plan) {
    await printPlans(app, planned, flags);
    return 0;
  }
  const builds = await buildAll(app, planned, { environment, known, flags });
  printBuilds(app, builds, flags.json ?? false);
  return builds.every(({ verification }) => verification?.ok ?? true) ? 0 : 7;
}

/** Each plan with what would be done of it now. */
async function printPlans(app: App, planned: readonly PlannedTemplate[], flags: TemplateFlags): Promise<void> {
  const ports = statusPorts(app, flags);
  const texts: string[] = [];
  for (const { plan } of planned) {
    const status = await planStatus(plan, ports);
    texts.push(flags.json ? planJson(plan, status) : renderPlan(plan, status, streamLook(app.stdout)));
  }
  app.stdout.write(texts.join(flags.json ? "" : "\n"));
}

function cachePolicy({ warmStatesGiB }: Environment, { cache, warm }: TemplateFlags): CachePolicy {
  return { layers: cache, warmStates: warm && warmStatesGiB > 0, warmStateBytes: warmStatesGiB * 1024 ** 3 };
}

async function buildAll(
  app: App,
  planned: readonly PlannedTemplate[],
  { environment, known, flags }: Pick<BuildSetup, "environment" | "known"> & { readonly flags: TemplateFlags },
): Promise<FinishedBuild[]> {
  const stepNames = new Map(planned.map(({ plan }) => [buildName(plan), plan.disk.steps.map(({ name }) => name)]));
  const session = {
    command: `template ${planned.map(({ plan }) => plan.template).join(" ")}`,
    json: flags.json ?? false,
    verbose: flags.verbose ?? false,
    severalBuilds: planned.length > 1,
    stepsOf: (build: string) => stepNames.get(build),
    credentials: environment.credentials,
  };
  return withSession(app, session, async (open) => {
    const out = resolve(app.cwd, flags.out);
    const cache = cachePolicy(environment, flags);
    const slots = machineSlots(memoryBudgetMiB());
    const { verify, onError } = flags;
    const setup: BuildSetup = { session: open, environment, known, out, verify, cache, slots, onError };
    await needPrograms(open, planned, verify);
    const jobs = flags.jobs ?? environment.parallelBuilds ?? Math.max(1, Math.floor(availableParallelism() / 2));
    return bounded(planned, jobs, (each) => buildPlanned(each, setup));
  });
}
