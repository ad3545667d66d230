import { join } from "node:path";
import type { Builder, BuiltDisk } from "../../src/core/builder.ts";
import { disposedOnError, withDisposal } from "../../src/core/disposal.ts";
import { assertClean } from "../../src/disk/clean-check.ts";
import type { Layer } from "../../src/store/layer.ts";
import type { BuildContext, QemuBuilderPorts } from "./build-context.ts";
import { virtualBytesOf, type BuildMachine } from "./build-machine.ts";
import { ChainRun, type ChainRunParts } from "./chain-run.ts";
import { Claims } from "./claims.ts";
import type { StepFailed } from "./failed-step.ts";
import { FIRST_BOOT, reusableChain, wantedLayers } from "./reusable-chain.ts";
import { bootMachine } from "./start-machine.ts";
import { WarmKeeper } from "./warm-keeper.ts";

/** Builds by booting the disk and running the steps in it over SSH; each step's disk is a layer that the next build starts from. */
export function qemuBuilder(
  ports: QemuBuilderPorts,
  { stepFailed }: { readonly stepFailed?: StepFailed | undefined } = {},
): Builder {
  return {
    kind: "qemu",
    async build(request, journal) {
      const context: BuildContext = { request, ports, journal };
      const sinceMs = ports.now();
      const warm = new WarmKeeper(context);
      for (;;) {
        const built = await attempt(context, { sinceMs, warm, stepFailed });
        // Another build made a layer meanwhile, or a step is to be tried again: from the layers as they are now.
        if (built !== "again") return built;
      }
    },
  };
}

interface Attempt {
  readonly sinceMs: number;
  readonly warm: WarmKeeper;
  readonly stepFailed: StepFailed | undefined;
}

async function attempt(context: BuildContext, { sinceMs, warm, stepFailed }: Attempt): Promise<BuiltDisk | "again"> {
  const { request } = context;
  const layers = await reusableChain(context, sinceMs);
  const slot = await request.machineSlot();
  const outcome = await withDisposal(slot, () =>
    withDisposal(new Claims(context), async (claims) => {
      const next = nextOf(context, layers);
      if (next && !(await claims.take(next.key))) return { waitFor: next };
      // Somebody may have made it between the look and the claim, or found one of the others damaged.
      if (next && !sameLayers(await reusableChain(context, sinceMs), layers)) return "again" as const;
      tellCached(context, layers);
      return withDisposal(await startMachine(context, { layers, warm }), (machine) =>
        runAndSeal(context, { machine, claims, layers, warm, stepFailed }),
      );
    }),
  );
  if (outcome === "again" || !("waitFor" in outcome)) return outcome;
  // Without a machine, which somebody else may use meanwhile.
  await new Claims(context).waitFor(outcome.waitFor.key, outcome.waitFor.step);
  return "again";
}

function sameLayers(some: readonly Layer[], others: readonly Layer[]): boolean {
  return some.length === others.length && some.every(({ id }, index) => id === others[index]?.id);
}

/** The layer to make next; undefined when all are there, or what comes next is never kept. */
function nextOf(
  { request }: BuildContext,
  layers: readonly Layer[],
): { readonly key: Layer["key"]; readonly step: string } | undefined {
  const { disk } = request.plan;
  const wanted = wantedLayers(disk)[layers.length];
  if (!wanted || wanted.volatile) return undefined;
  return { key: wanted.key, step: disk.steps[layers.length - 1]?.name ?? FIRST_BOOT };
}

function tellCached({ request, journal }: BuildContext, layers: readonly Layer[]): void {
  const last = layers.at(-1);
  if (!last) return;
  const { steps } = request.plan.disk;
  const count = layers.length - 1;
  const what = count === 0 ? "the first boot" : `${String(count)} of ${String(steps.length)} steps`;
  journal.emit({ type: "cache-hit", what, digest: last.key });
}

async function startMachine(
  context: BuildContext,
  { layers, warm }: { readonly layers: readonly Layer[]; readonly warm: WarmKeeper },
): Promise<BuildMachine> {
  const { plan } = context.request;
  const below = layers.at(-1);
  const key = wantedLayers(plan.disk)[layers.length]?.key ?? plan.id;
  const restored = below && (await warm.restore({ below, key }));
  if (restored) return restored;
  const booted = await bootMachine(context, { below, key });
  if (below && warm.isWorth(layers.length - 1, plan.disk.steps.length + 1)) {
    await disposedOnError(booted, () => warm.saveBooted(booted, below));
  }
  return booted;
}

async function runAndSeal(context: BuildContext, parts: ChainRunParts): Promise<BuiltDisk | "again"> {
  const { machine, layers } = parts;
  const { request, journal } = context;
  const { steps } = request.plan.disk;
  const run = new ChainRun(context, parts);
  if ((await run.steps()) === "again") return "again";
  const facts = await run.seal();
  if (facts === "again") return "again";
  const made = await machine.settled();
  const path = machine.diskPath;
  await assertClean({ path, scratch: join(request.workDir, "region") }, { ...request, journal });
  return {
    path,
    virtualBytes: virtualBytesOf(context),
    layers: [...layers, ...made].map((layer) => ({ ...layer, path: layer.link })),
    cachedSteps: steps.slice(0, Math.max(0, layers.length - 1)).map(({ name }) => name),
    ...facts,
  };
}
