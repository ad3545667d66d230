import { resolve } from "node:path";
import { packagesBase } from "../../../builders/packages/packages-base.ts";
import type { PackagesBase } from "../../core/base.ts";
import type { Environment } from "../../core/environment.ts";
import type { Arch } from "../../core/platform.ts";
import { silentJournal } from "../../core/journal.ts";
import { openStore } from "../../store/file-store.ts";
import type { App } from "../app.ts";
import type { TemplateFlags } from "../flags.ts";
import { bounded } from "../bounded.ts";
import { buildPlanned, type BuildSetup, type FinishedBuild } from "../build.ts";
import { environmentNamed } from "../environment-named.ts";
import { preferredArch } from "../preferred-arch.ts";
import { buildName, loadNamed, planTemplate, type KnownBase, type PlannedTemplate } from "../plans.ts";
import { needPrograms } from "../need-programs.ts";
import { printBuilds } from "../print-builds.ts";
import { withSession } from "../session.ts";
import { planJson, renderPlan } from "../template-loader/render-plan.ts";

/** `kvci-build template`: plans, and unless only the plan is wanted, builds, wraps and verifies. */
export async function template(app: App, names: readonly string[], flags: TemplateFlags): Promise<number> {
  const environment = await environmentNamed(app, flags.env);
  const known = await knownBases(app, environment);
  const planned = await planAll(app, names, { arch: flags.arch, known });
  if (flags.plan) {
    const plans = planned.map(({ plan }) => plan);
    app.stdout.write(flags.json ? plans.map(planJson).join("") : plans.map(renderPlan).join("\n"));
    return 0;
  }
  const builds = await buildAll(app, planned, { environment, known, flags });
  printBuilds(app, builds, flags.json ?? false);
  return builds.every(({ verification }) => verification?.ok ?? true) ? 0 : 7;
}

async function planAll(
  app: App,
  names: readonly string[],
  options: { readonly arch: Arch | undefined; readonly known: KnownBase },
): Promise<PlannedTemplate[]> {
  const planned: PlannedTemplate[] = [];
  for (const name of names) {
    const loaded = await loadNamed(app, name);
    const arch = options.arch ?? preferredArch(loaded.template.arches, process.arch);
    planned.push(await planTemplate(app, { loaded, arch, known: options.known }));
  }
  return planned;
}

async function knownBases(app: App, environment: Environment): Promise<KnownBase> {
  const store = await openStore(app.storeRoot, { runId: "plan", description: "plan" });
  const bases = packagesBase({ store, journal: silentJournal, signal: app.signal, environment });
  return (image: PackagesBase, arch: Arch) => bases.known(image, arch);
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
    const setup: BuildSetup = { session: open, environment, known, out, verify: flags.verify };
    await needPrograms(open, planned, flags.verify);
    return bounded(planned, environment.parallelBuilds, (each) => buildPlanned(each, setup));
  });
}
