import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { packagesBase } from "../../builders/packages/packages-base.ts";
import { qemuBuilder } from "../../builders/qemu/builder.ts";
import { wantedLayers } from "../../builders/qemu/reusable-chain.ts";
import type { Builder } from "../core/builder.ts";
import type { Base } from "../core/disk-image.ts";
import { withDisposal } from "../core/disposal.ts";
import type { Journal } from "../core/journal.ts";
import type { Plan } from "../core/plan.ts";
import type { BuildRecord } from "../pipeline/build-record.ts";
import { buildTemplate } from "../pipeline/build-template.ts";
import { finishOutput, type OutputFolder } from "../pipeline/output-folder.ts";
import { rememberPlan } from "../store/build-history.ts";
import { collect } from "../store/collect.ts";
import { pin } from "../store/pins.ts";
import type { BuildSetup, FinishedBuild } from "./build-setup.ts";
import { fetchedFiles } from "./fetched-files.ts";
import { openNetwork, type BuildNetwork } from "./guest-network.ts";
import { ImageDisks } from "./image-disk.ts";
import { hostHypervisor } from "./hypervisor.ts";
import { machineShare } from "./machine-slots.ts";
import type { FailureDesk } from "./on-error.ts";
import { baseItems, buildItems } from "./pinned-items.ts";
import { withKnownBase, type PlannedTemplate } from "./plans.ts";
import { provideBase } from "./provide-base.ts";
import { layersOf, type Session } from "./session.ts";
import { toolVersions } from "./tool-versions.ts";
import { verifyAll } from "./verify-build.ts";

interface BuildParts {
  readonly setup: BuildSetup;
  readonly journal: Journal;
  readonly failures: FailureDesk;
  readonly network: BuildNetwork;
}

/**
 * Builds a plan into a folder that is taken over as the output when it is whole, and verifies the result: base, machine, disk,
 * images, records.
 */
export async function buildInto(
  folder: OutputFolder,
  planned: PlannedTemplate,
  parts: Omit<BuildParts, "network">,
): Promise<FinishedBuild> {
  return withDisposal(await openNetwork(parts.setup, parts.journal), (network) =>
    buildWith(folder, planned, { ...parts, network }),
  );
}

async function buildWith(folder: OutputFolder, planned: PlannedTemplate, parts: BuildParts): Promise<FinishedBuild> {
  const { setup, journal, failures, network } = parts;
  const { session } = setup;
  const cached = await hasBase(planned, session);
  const keep = (items: readonly string[]): Promise<void> =>
    pin(session.store, { runId: session.runId, items, signal: session.signal });
  const startedMs = performance.now();
  await keep(baseItems(planned.plan));
  const { base, ready } = await readyBase(planned, { setup, network, journal });
  const durationMs = Math.round(performance.now() - startedMs);
  const { plan } = ready;
  await keep(buildItems(plan, base, session.store.root));
  const { layers: there } = await layersOf(session).chain(wantedLayers(plan.disk), { now: session.app.now() });
  const cachedSteps = Math.max(0, there.length - 1);
  await rememberPlan(session.store.root, plan, { cachedSteps });
  const record = await buildPlan({ folder, planned, plan, base, cachedSteps, keep }, parts);
  await failures.succeeded();
  await finishOutput(folder);
  const verification = setup.verify ? await verifyAll(folder.final, plan, { session, journal }) : undefined;
  return { folder: folder.final, standing: false, base: { durationMs, cached }, record, verification };
}

interface ReadyBuild {
  readonly folder: OutputFolder;
  readonly planned: PlannedTemplate;
  /** With its base's digest. */
  readonly plan: Plan;
  readonly base: Base;
  /** So many of the first steps have a layer. */
  readonly cachedSteps: number;
  readonly keep: (items: readonly string[]) => Promise<void>;
}

/** The build itself, with everything that it takes from elsewhere. */
async function buildPlan(
  { folder, planned, plan, base, cachedSteps, keep }: ReadyBuild,
  { setup, journal, failures, network }: BuildParts,
): Promise<BuildRecord> {
  const { session } = setup;
  const { store, signal } = session;
  const fetched = await fetchedFiles(plan, { store, signal, journal, environment: setup.environment, pin: keep });
  const images = {
    plan,
    cachedSteps: setup.cache.layers ? cachedSteps : 0,
    environment: setup.environment,
    env: network.env,
    store,
    pin: keep,
    signal,
    journal,
  };
  return withDisposal(new ImageDisks(images), async ({ imageDisk }) =>
    buildTemplate(
      {
        plan,
        base,
        sources: new Map([...planned.sources, ...fetched]),
        folder: folder.growing,
        serialLog: join(folder.logs, "serial.log"),
        signal,
        cache: setup.cache,
        imageDisk,
        network: network.guest,
        machineSlot: () => setup.slots.take(machineShare(plan), signal),
      },
      {
        builder: builderOf(session, failures),
        store,
        tools: await toolVersions(session, planned.plan.disk.platform.arch),
        now: session.app.now,
        pin: keep,
      },
      journal,
    ),
  );
}

function builderOf(session: Session, { stepFailed, bootFailed }: FailureDesk): Builder {
  const { app, store, signal } = session;
  const ports = {
    bootFailed,
    hypervisor: hostHypervisor(app.search),
    store,
    layers: layersOf(session),
    now: app.now,
    entropy: () => randomBytes(64).toString("hex"),
    trimWarmStates: async (maxBytes: number) => {
      await collect(store, { maxBytes, kinds: ["warm"], signal });
    },
  };
  return qemuBuilder(ports, { stepFailed });
}

async function hasBase({ plan }: PlannedTemplate, { store }: Session): Promise<boolean> {
  const { image, identity, pinned } = plan.base;
  return image.kind === "cloud-image" || image.kind === "local-disk" ? store.hasBlob(identity) : pinned;
}

/** The base, and the plan as it is now that the base is there. */
async function readyBase(
  planned: PlannedTemplate,
  { setup, network, journal }: Omit<BuildParts, "failures">,
): Promise<{ readonly base: Base; readonly ready: PlannedTemplate }> {
  const { session, environment } = setup;
  const { store, signal } = session;
  return journal.span({ name: "base", kind: "phase" }, async (inner) => {
    const bases = packagesBase({ store, journal: inner, signal, environment, network });
    const options = { session, environment, packagesBase: bases, out: setup.out };
    const base = await provideBase(planned, options, inner);
    return { base, ready: await withKnownBase(session.app, planned, setup.known) };
  });
}
