import type { DiskPlan } from "../../src/core/plan.ts";
import type { Layer, WantedLayer } from "../../src/store/layer.ts";
import type { BuildContext } from "./build-context.ts";

/** What the first boot's layer is called where steps are named. */
export const FIRST_BOOT = "first boot";

/** The layers that a plan asks for, lowest first: the first boot's, then one per step. */
export function wantedLayers(disk: DiskPlan): WantedLayer[] {
  return [
    { key: disk.bootKey },
    ...disk.steps.map(({ key, volatile, maxAgeMs }) => ({ key, volatile: volatile ?? false, maxAgeMs })),
  ];
}

/**
 * The layers this build can start from, lowest first, each read and found as it was when it was made. One that is not is moved
 * aside and named; what stood on it is not found any more.
 *
 * @param sinceMs with layers of earlier builds not wanted: when this build began.
 */
export async function reusableChain(context: BuildContext, sinceMs: number): Promise<readonly Layer[]> {
  const { request, ports } = context;
  const { signal, cache, plan } = request;
  for (const layer of await ports.layers.cut(wantedLayers(plan.disk))) await setAside(layer, context);
  for (;;) {
    signal.throwIfAborted();
    const now = ports.now();
    const own = { maxAgeMs: now - sinceMs };
    const wanted = wantedLayers(plan.disk).map((layer) => (cache.layers ? layer : { ...layer, ...own }));
    const { layers } = await ports.layers.chain(wanted, { now });
    const broken = await firstBroken(layers, { ports, signal });
    if (!broken) {
      await ports.layers.link(layers);
      await ports.layers.touch(layers);
      return layers;
    }
    await setAside(broken, context);
  }
}

async function setAside(layer: Layer, { ports, journal }: Pick<BuildContext, "ports" | "journal">): Promise<void> {
  const place = await ports.layers.setAside(layer);
  const detail = `its bytes are not those that were kept; it is now ${place}, and what stood on it is made anew`;
  journal.emit({ type: "warning", subject: `layer of step ${layer.step}`, detail });
}

async function firstBroken(
  layers: readonly Layer[],
  { ports, signal }: Pick<BuildContext, "ports"> & { readonly signal: AbortSignal },
): Promise<Layer | undefined> {
  for (const layer of layers) {
    if (!(await ports.layers.isIntact(layer, signal))) return layer;
  }
  return undefined;
}
