import { existsSync } from "node:fs";
import { join } from "node:path";
import { packagesBase } from "../../builders/packages/packages-base.ts";
import { qemuBuilder } from "../../builders/qemu/builder.ts";
import { withDisposal } from "../core/disposal.ts";
import type { Base } from "../core/disk-image.ts";
import type { Environment } from "../core/environment.ts";
import type { VerificationResult } from "../core/finding.ts";
import type { Journal } from "../core/journal.ts";
import { readBuildRecord, type BuildRecord } from "../pipeline/build-record.ts";
import { buildTemplate } from "../pipeline/build-template.ts";
import { dropOutput, finishOutput, openOutput, type OutputFolder } from "../pipeline/output-folder.ts";
import { jsonLinesFile } from "../journal/json-lines.ts";
import { redactingSink } from "../journal/redaction.ts";
import { hostHypervisor } from "./hypervisor.ts";
import { buildName, planTemplate, type KnownBase, type PlannedTemplate } from "./plans.ts";
import { provideBase } from "./provide-base.ts";
import { FailedBuild, reasonOf } from "./report-failure.ts";
import type { Session } from "./session.ts";
import { toolVersions } from "./tool-versions.ts";
import { version } from "./version.ts";
import { verifyBuild } from "./verify-build.ts";

export interface BuildSetup {
  readonly session: Session;
  readonly environment: Environment;
  /** Which bases made from packages the store has, for planning anew. */
  readonly known: KnownBase;
  /** Absolute path of the folder that builds are put into. */
  readonly out: string;
  readonly verify: boolean;
}

export interface FinishedBuild {
  readonly folder: string;
  /** Getting the base: how long it took, and whether the store had it. */
  readonly base: { readonly durationMs: number; readonly cached: boolean };
  readonly record: BuildRecord;
  /** Absent when the build was not to be verified. */
  readonly verification: VerificationResult | undefined;
}

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
  const lock = await session.store.lock(`out-${join(out, template, disk.platform.arch)}`, {
    signal: session.signal,
    onWait: (holder) => {
      session.journal.emit({ type: "warning", subject: name, detail: `waiting for ${holder}, which is building it` });
    },
  });
  return withDisposal(lock, async () => {
    const folder = await openOutput(out, template, disk.platform.arch);
    return loggedBuild(name, folder, { planned, setup });
  });
}

/** Builds the template below, unless its result of this very plan is there; then the plan on top knows what it stands on. */
async function onBuiltParent(planned: PlannedTemplate, setup: BuildSetup): Promise<PlannedTemplate> {
  const { parent } = planned;
  if (!parent) return planned;
  const { platform } = parent.plan.disk;
  const built = await readBuildRecord(join(setup.out, parent.plan.template, platform.arch)).catch(() => undefined);
  if (built?.planId !== parent.plan.id) await buildPlanned(parent, { ...setup, verify: false });
  return withKnownBase(planned, setup);
}

/** The plan anew, when only making its base could tell the base's digest. */
async function withKnownBase(planned: PlannedTemplate, { session, known }: BuildSetup): Promise<PlannedTemplate> {
  const { plan, loaded } = planned;
  if (plan.base.pinned) return planned;
  return planTemplate(session.app, { loaded, arch: plan.disk.platform.arch, known });
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
  const journal = parent.forBuild({ build: name, sinks: [redactingSink(redactor, file)] });
  try {
    return await journal.span({ name, kind: "build" }, (inner) =>
      buildInto(folder, planned, { setup, journal: inner }),
    );
  } catch (error) {
    await dropOutput(folder);
    const places = Object.entries(logs)
      .map(([what, path]) => ({ what, path }))
      .filter(({ path }) => existsSync(path));
    throw new FailedBuild(reasonOf(error, signal), places);
  } finally {
    await journal.close();
  }
}

async function buildInto(
  folder: OutputFolder,
  planned: PlannedTemplate,
  { setup, journal }: { readonly setup: BuildSetup; readonly journal: Journal },
): Promise<FinishedBuild> {
  const { session } = setup;
  const cached = await hasBase(planned, session);
  const startedMs = performance.now();
  const { base, ready } = await readyBase(planned, setup, journal);
  const durationMs = Math.round(performance.now() - startedMs);
  const record = await buildTemplate(
    {
      plan: ready.plan,
      base,
      sources: planned.sources,
      folder: folder.growing,
      serialLog: join(folder.logs, "serial.log"),
      signal: session.signal,
    },
    {
      builder: qemuBuilder({ hypervisor: hostHypervisor(session.app.search) }),
      store: session.store,
      tools: await toolVersions(session, planned.plan.disk.platform.arch),
      now: session.app.now,
    },
    journal,
  );
  await finishOutput(folder);
  const verification = setup.verify ? await verifyAll(folder.final, ready, { session, journal }) : undefined;
  return { folder: folder.final, base: { durationMs, cached }, record, verification };
}

async function hasBase({ plan }: PlannedTemplate, { store }: Session): Promise<boolean> {
  const { image, identity, pinned } = plan.base;
  return image.kind === "cloud-image" || image.kind === "local-disk" ? store.hasBlob(identity) : pinned;
}

/** The base, and the plan as it is now that the base is there. */
async function readyBase(
  planned: PlannedTemplate,
  setup: BuildSetup,
  journal: Journal,
): Promise<{ readonly base: Base; readonly ready: PlannedTemplate }> {
  const { session, environment } = setup;
  const { store, signal } = session;
  return journal.span({ name: "base", kind: "phase" }, async (inner) => {
    const bases = packagesBase({ store, journal: inner, signal, environment });
    const options = { session, environment, packagesBase: bases, out: setup.out };
    const base = await provideBase(planned, options, inner);
    return { base, ready: await withKnownBase(planned, setup) };
  });
}

/** Every suite the template asks for; the first one that fails is the result. */
async function verifyAll(
  folder: string,
  { plan }: PlannedTemplate,
  { session, journal }: { readonly session: Session; readonly journal: Journal },
): Promise<VerificationResult | undefined> {
  let last: VerificationResult | undefined;
  for (const suite of plan.checks) {
    last = await verifyBuild({ folder, suite, on: "qemu" }, session, journal);
    if (!last.ok) return last;
  }
  return last;
}
