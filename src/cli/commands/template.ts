import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import type { CachePolicy } from "../../core/builder.ts";
import type { Environment } from "../../core/environment.ts";
import { ERRORS } from "../../core/error.ts";
import type { App } from "../app.ts";
import type { BuildSetup } from "../build-setup.ts";
import { openEnvironment } from "../environment-named.ts";
import type { TemplateFlags } from "../flags.ts";
import { planWithLock } from "../lock-offer.ts";
import { hostBudget, machineSlots } from "../machine-slots.ts";
import { buildMatrix, stepNames, type BuildOutcome } from "../matrix-builds.ts";
import { leftOut, loadMatching, matrixEntries, planEntries } from "../matrix-plans.ts";
import { knownBases, statusPorts } from "../named-plans.ts";
import { needPrograms } from "../need-programs.ts";
import { planStatus } from "../plan-status.ts";
import type { PlannedTemplate } from "../plans.ts";
import { printOutcomes } from "../print-builds.ts";
import { withSession } from "../session.ts";
import { trimStore } from "../store-budget.ts";
import { planJson, renderPlan } from "../template-loader/render-plan.ts";
import { streamLook } from "../template-loader/render-status.ts";

/**
 * `kvci-build template`: plans, and unless only the plan is wanted, builds, wraps and verifies.
 *
 * @returns 0, or the highest exit status of what failed.
 * @throws what the build threw, where there is only one.
 */
export async function template(host: App, names: readonly string[], flags: TemplateFlags): Promise<number> {
  const { app, environment } = await openEnvironment(host, flags);
  const known = await knownBases(app, environment);
  const loaded = await loadMatching(app, names);
  const { locked = environment.locked, json = false, verbose = false } = flags;
  const plan = (): Promise<PlannedTemplate[]> => planEntries(app, matrixEntries(loaded, flags.arch), { known, locked });
  const planned = await planWithLock(app, plan, { names, environment, json, verbose });
  if (flags.plan) {
    await printPlans(app, planned, flags);
    return 0;
  }
  const missing = leftOut(loaded, flags.arch);
  const outcomes = await buildAll(app, planned, { environment, known, flags, missing });
  const exit = printOutcomes(app, outcomes, json);
  return app.signal.aborted ? ERRORS.interrupted.exit : exit;
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

type BuildOptions = Pick<BuildSetup, "environment" | "known"> & {
  readonly flags: TemplateFlags;
  /** What is left out, for it is not made for an architecture that was asked for. */
  readonly missing: readonly string[];
};

async function buildAll(
  app: App,
  planned: readonly PlannedTemplate[],
  { environment, known, flags, missing }: BuildOptions,
): Promise<BuildOutcome[]> {
  const steps = stepNames(planned);
  const session = {
    command: `template ${[...new Set(planned.map(({ plan }) => plan.template))].join(" ")}`,
    json: flags.json ?? false,
    verbose: flags.verbose ?? false,
    severalBuilds: steps.size > 1,
    stepsOf: (build: string) => steps.get(build),
    credentials: environment.credentials,
  };
  return withSession(app, session, async (open) => {
    for (const subject of missing) open.journal.emit({ type: "warning", subject, detail: "not made, so left out" });
    const out = resolve(app.cwd, flags.out);
    const cache = cachePolicy(environment, flags);
    const slots = machineSlots(hostBudget(environment));
    const { verify, onError } = flags;
    const setup: BuildSetup = { session: open, environment, known, out, verify, cache, slots, onError };
    await needPrograms(open, planned, verify);
    const jobs = flags.jobs ?? environment.parallelBuilds ?? Math.max(1, Math.floor(availableParallelism() / 2));
    const outcomes = await buildMatrix(planned, setup, jobs);
    await trimStore(environment, open);
    return outcomes;
  });
}
