import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Environment } from "../../core/environment.ts";
import { KvciError, messageOf } from "../../core/error.ts";
import type { Target } from "../../core/target.ts";
import { streamPaint } from "../../journal/paint.ts";
import { planCost } from "../../publish/cost.ts";
import { assertFresh, makePublishPlan, type AnyPublisher, type PublishPlan } from "../../publish/plan.ts";
import { parsePlan, type KeptPlan } from "../../publish/plan-file.ts";
import type { ReleaseBuild } from "../../publish/publisher.ts";
import type { App } from "../app.ts";
import { isBooted } from "../cloud-smoke.ts";
import { openEnvironment } from "../environment-named.ts";
import { assertPossible, confirmPlan, tellWarnings } from "../publish-consent.ts";
import { exposureFindings, verificationFindings, type Gate } from "../publish-gate.ts";
import type { PublishFlags } from "../publish-options.ts";
import { partialRelease, renderOutcome, outcomeJson } from "../publish-outcome.ts";
import { applyPlan, type PublishRun } from "../publish-run.ts";
import { pricesOf, targetsNamed } from "../publish-targets.ts";
import { publishersOf } from "../publishers.ts";
import { presentImages, recordImages } from "../record-images.ts";
import { releaseBuilds } from "../release-builds.ts";
import { renderPublishPlan, type ShownPlan } from "../render-publish-plan.ts";
import { withSession, type Session } from "../session.ts";

/**
 * `kvci-build publish`: says what is missing at the targets, and unless only that is wanted, brings it there.
 *
 * @returns 0 done, or nothing to do; 2 for a plan with something to do.
 */
export async function publish(host: App, builds: readonly string[], flags: PublishFlags): Promise<number> {
  const { app, environment } = await openEnvironment(host, flags);
  const targets = targetsNamed(environment, flags.target);
  const session = {
    command: `publish ${builds.join(" ")}`.trim(),
    json: flags.json ?? false,
    verbose: flags.verbose ?? false,
    credentials: environment.credentials,
  };
  return withSession(app, session, (open) => publishIn(open, { builds, flags, environment, targets }));
}

interface Request {
  readonly builds: readonly string[];
  readonly flags: PublishFlags;
  readonly environment: Environment;
  readonly targets: readonly Target[];
}

async function publishIn(session: Session, { builds: named, flags, targets }: Request): Promise<number> {
  const kept = await keptPlan(session.app, flags);
  const builds = await releaseBuilds({ builds: named, out: flags.out, version: flags.release }, session);
  const gate = gateOf(targets, flags);
  const publishers = await publishersOf(targets, session, gate);
  const plan = await planWithin(gate, { builds, publishers, flags, session });
  if (kept) assertFresh(kept, plan, { resuming: flags.resume ?? false });
  const planned: Planned = { plan, builds, publishers, out: flags.out, targets };
  if (flags.plan) return printPlan(planned, { flags, session });
  assertPossible(plan);
  if (plan.steps.length > 0) return applyIt(planned, { flags, session });
  const images = await recordImages(planned, session);
  const json = { run: null, leftOut: [], images };
  print(session.app, flags, { text: "nothing to do: everything is there\n", json });
  return 0;
}

type Planned = PublishRun & { readonly targets: readonly Target[] };
interface Circumstances {
  readonly flags: PublishFlags;
  readonly session: Session;
}

function gateOf(targets: readonly Target[], { smoke, unverified }: PublishFlags): Gate {
  return { targets, boots: (target) => isBooted(target, smoke), unverified: unverified === true };
}

async function printPlan(planned: Planned, { flags, session }: Circumstances): Promise<number> {
  const shown = await planShown(planned, session);
  const { plan, present, cost } = shown;
  const text = renderPublishPlan(shown, streamPaint(session.app.stdout));
  print(session.app, flags, { text, json: { ...plan, present, cost } });
  return plan.steps.length > 0 ? 2 : 0;
}

async function applyIt(planned: Planned, { flags, session }: Circumstances): Promise<number> {
  if (flags.yes || flags.apply !== undefined) tellWarnings(planned.plan, session);
  else await confirmPlan(session, { shown: () => planShown(planned, session), json: flags.json ?? false });
  const outcome = await applyPlan(planned, session);
  print(session.app, flags, { text: renderOutcome(outcome), json: outcomeJson(outcome) });
  if (outcome.leftOut.length > 0) throw partialRelease(outcome);
  return 0;
}

/** The plan with what this side has to say of it. Builds that may not go anywhere end it before anybody is asked. */
async function planWithin(
  gate: Gate,
  of: {
    readonly builds: readonly ReleaseBuild[];
    readonly publishers: readonly AnyPublisher[];
    readonly flags: PublishFlags;
    readonly session: Session;
  },
): Promise<PublishPlan> {
  const { builds, publishers, flags, session } = of;
  const verified = await verificationFindings(builds, gate);
  if (!flags.plan) assertPossible({ findings: verified });
  const made = await session.journal.span({ name: "plan", kind: "phase" }, () =>
    makePublishPlan(builds, publishers, session.signal),
  );
  const plan = { ...made, findings: [...verified, ...made.findings] };
  return { ...plan, findings: [...plan.findings, ...exposureFindings(plan, gate)] };
}

async function planShown({ plan, builds, publishers, targets }: Planned, { signal }: Session): Promise<ShownPlan> {
  const present = await presentImages(publishers, builds, signal);
  return { plan, present, cost: planCost(plan.steps, pricesOf(targets)) };
}

function print(app: App, { json }: PublishFlags, result: { readonly text: string; readonly json: unknown }): void {
  app.stdout.write(json ? `${JSON.stringify(result.json)}\n` : result.text);
}

async function keptPlan({ cwd }: App, { apply }: PublishFlags): Promise<KeptPlan | undefined> {
  if (apply === undefined) return undefined;
  const path = resolve(cwd, apply);
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new KvciError("usage", `cannot read the plan ${path}: ${messageOf(cause)}`, {
      hint: "Make one with `kvci-build publish --plan --json > plan.json`.",
      cause,
    });
  });
  return parsePlan(text, path);
}
