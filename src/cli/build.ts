import { existsSync } from "node:fs";
import { join } from "node:path";
import { wantedLayers } from "../../builders/qemu/reusable-chain.ts";
import { withDisposal } from "../core/disposal.ts";
import type { Plan } from "../core/plan.ts";
import { readBuildRecord } from "../pipeline/build-record.ts";
import { dropOutput, openOutput, outputFolder, type OutputFolder } from "../pipeline/output-folder.ts";
import { jsonLinesFile } from "../journal/json-lines.ts";
import { redactingSink } from "../journal/redaction.ts";
import type { Sink } from "../journal/sink.ts";
import { rememberDurations, type SpanDuration } from "../store/build-history.ts";
import { buildInto } from "./build-into.ts";
import type { BuildSetup, FinishedBuild } from "./build-setup.ts";
import { FailureDesk } from "./on-error.ts";
import { buildName, withKnownBase, type PlannedTemplate } from "./plans.ts";
import { FailedBuild, reasonOf } from "./report-failure.ts";
import { layersOf } from "./session.ts";
import { standingBuild, type StandingBuild } from "./up-to-date.ts";
import { version } from "./version.ts";
import { verifyAll } from "./verify-build.ts";

/**
 * Builds a planned template, and first the one it is based on; wraps and verifies it.
 *
 * @throws {FailedBuild} with the places of its logs, which are kept.
 */
export async function buildPlanned(given: PlannedTemplate, setup: BuildSetup): Promise<FinishedBuild> {
  const planned = await onBuiltParent(given, setup);
  const { session, out } = setup;
  const { template, disk } = planned.plan;
  const name = buildName(planned.plan);
  const lock = await session.store.lock(`out-${outputFolder(out, template, disk.platform.arch)}`, {
    signal: session.signal,
    onWait: (holder) => {
      session.journal.emit({ type: "warning", subject: name, detail: `waiting for ${holder}, which is building it` });
    },
  });
  return withDisposal(lock, async () => {
    const standing = await standingIfFresh(planned.plan, setup);
    if (standing) return standAlone(standing, planned, setup);
    const folder = await openOutput(out, template, disk.platform.arch);
    return loggedBuild(name, folder, { planned, setup });
  });
}

/** The finished build that this one would repeat; never one whose layers have become too old. */
async function standingIfFresh(plan: Plan, { session, out, cache }: BuildSetup): Promise<StandingBuild | undefined> {
  if (!cache.layers) return undefined;
  const now = session.app.now();
  // Only layers of steps that say so can be too old; the others need not be looked at.
  if (plan.disk.steps.some(({ maxAgeMs }) => maxAgeMs !== undefined)) {
    const { end } = await layersOf(session).chain(wantedLayers(plan.disk), { now });
    if (end.kind === "too-old") return undefined;
  }
  return standingBuild(outputFolder(out, plan.template, plan.disk.platform.arch), plan, now);
}

/** A build that is there already; only what of its verification is missing is done. */
async function standAlone(
  { record, verifications }: StandingBuild,
  planned: PlannedTemplate,
  { session, out, verify, onError }: BuildSetup,
): Promise<FinishedBuild> {
  const { template, disk, checks, id } = planned.plan;
  const folder = outputFolder(out, template, disk.platform.arch);
  const journal = session.journal.forBuild({ build: buildName(planned.plan), sinks: [] });
  journal.emit({ type: "cache-hit", what: "the whole build", digest: id });
  await new FailureDesk(session, onError, planned.plan).succeeded();
  const known = checks.map((suite) => verifications.get(suite));
  const passed = known.every((result) => result?.ok);
  const verification = !verify
    ? undefined
    : passed
      ? known.at(-1)
      : await verifyAll(folder, planned.plan, { session, journal });
  return { folder, standing: true, base: { durationMs: 0, cached: true }, record, verification };
}

/** Builds the template below, unless its result of this very plan is there; then the plan on top knows what it stands on. */
async function onBuiltParent(planned: PlannedTemplate, setup: BuildSetup): Promise<PlannedTemplate> {
  const { parent } = planned;
  if (!parent) return planned;
  const { platform } = parent.plan.disk;
  const built = await readBuildRecord(outputFolder(setup.out, parent.plan.template, platform.arch)).catch(
    () => undefined,
  );
  if (built?.planId !== parent.plan.id) await buildPlanned(parent, { ...setup, verify: false });
  return withKnownBase(setup.session.app, planned, setup.known);
}

/** Builds with a journal of the build's own, which stays beside its console log when it fails. */
async function loggedBuild(
  name: string,
  folder: OutputFolder,
  { planned, setup }: { readonly planned: PlannedTemplate; readonly setup: BuildSetup },
): Promise<FinishedBuild> {
  const { app, journal: parent, redactor, signal } = setup.session;
  const logs = { console: join(folder.logs, "serial.log"), journal: join(folder.logs, "journal.jsonl") };
  const file = jsonLinesFile(logs.journal, { startedAt: new Date(app.now()).toISOString(), tool: version() });
  const times: SpanDuration[] = [];
  const journal = parent.forBuild({ build: name, sinks: [redactingSink(redactor, file), timesSink(times)] });
  const failures = new FailureDesk(setup.session, setup.onError, planned.plan);
  try {
    return await journal.span({ name, kind: "build" }, (inner) =>
      buildInto(folder, planned, { setup, journal: inner, failures }),
    );
  } catch (error) {
    await dropOutput(folder);
    const found = Object.entries(logs)
      .map(([what, path]) => ({ what, path }))
      .filter(({ path }) => existsSync(path));
    const facts = failures.facts();
    throw new FailedBuild(reasonOf(error, signal), { ...facts, logs: [...facts.logs, ...found] });
  } finally {
    await journal.close();
    const { template, disk } = planned.plan;
    // Only estimates come of it: not worth a build.
    const subject = { template, arch: disk.platform.arch };
    await rememberDurations(setup.session.store.root, subject, times).catch(() => undefined);
  }
}

/** Collects how long what ended well took, for the estimates of later plans. */
function timesSink(times: SpanDuration[]): Sink {
  return {
    write: ({ event }) => {
      if (event.type === "span-ended" && event.ok) times.push(event);
    },
  };
}
