import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { packagesBase } from "../../builders/packages/packages-base.ts";
import { qemuBuilder } from "../../builders/qemu/builder.ts";
import { wantedLayers } from "../../builders/qemu/reusable-chain.ts";
import type { Builder } from "../core/builder.ts";
import type { Base } from "../core/disk-image.ts";
import type { Journal } from "../core/journal.ts";
import { buildTemplate } from "../pipeline/build-template.ts";
import { finishOutput, type OutputFolder } from "../pipeline/output-folder.ts";
import { rememberPlan } from "../store/build-history.ts";
import { collect } from "../store/collect.ts";
import { pin } from "../store/pins.ts";
import type { BuildSetup, FinishedBuild } from "./build-setup.ts";
import { guestNetwork } from "./guest-network.ts";
import { imageDisks } from "./image-disk.ts";
import { hostHypervisor } from "./hypervisor.ts";
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
}

/**
 * Builds a plan into a folder that is taken over as the output when it is whole, and verifies the result: base, machine, disk,
 * images, records.
 */
export async function buildInto(
  folder: OutputFolder,
  planned: PlannedTemplate,
  { setup, journal, failures }: BuildParts,
): Promise<FinishedBuild> {
  const { session } = setup;
  const cached = await hasBase(planned, session);
  const keep = (items: readonly string[]): Promise<void> =>
    pin(session.store, { runId: session.runId, items, signal: session.signal });
  const startedMs = performance.now();
  await keep(baseItems(planned.plan));
  const { base, ready } = await readyBase(planned, setup, journal);
  const durationMs = Math.round(performance.now() - startedMs);
  const { plan } = ready;
  await keep(buildItems(plan, base, session.store.root));
  const { layers: there } = await layersOf(session).chain(wantedLayers(plan.disk), { now: session.app.now() });
  await rememberPlan(session.store.root, plan, { cachedSteps: Math.max(0, there.length - 1) });
  const record = await buildTemplate(
    {
      plan,
      base,
      sources: planned.sources,
      folder: folder.growing,
      serialLog: join(folder.logs, "serial.log"),
      signal: session.signal,
      cache: setup.cache,
      imageDisk: imageDisks(),
      network: guestNetwork(setup.environment),
      machineSlot: () => setup.slots.take(plan.machine.memoryMiB, session.signal),
    },
    {
      builder: builderOf(session, failures),
      store: session.store,
      tools: await toolVersions(session, planned.plan.disk.platform.arch),
      now: session.app.now,
      pin: keep,
    },
    journal,
  );
  await failures.succeeded();
  await finishOutput(folder);
  const verification = setup.verify ? await verifyAll(folder.final, plan, { session, journal }) : undefined;
  return { folder: folder.final, standing: false, base: { durationMs, cached }, record, verification };
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
  setup: BuildSetup,
  journal: Journal,
): Promise<{ readonly base: Base; readonly ready: PlannedTemplate }> {
  const { session, environment } = setup;
  const { store, signal } = session;
  return journal.span({ name: "base", kind: "phase" }, async (inner) => {
    const bases = packagesBase({ store, journal: inner, signal, environment });
    const options = { session, environment, packagesBase: bases, out: setup.out };
    const base = await provideBase(planned, options, inner);
    return { base, ready: await withKnownBase(session.app, planned, setup.known) };
  });
}
