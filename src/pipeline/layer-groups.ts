import type { BuiltLayer } from "../core/builder.ts";
import type { PlannedStep } from "../core/plan.ts";
import type { ChainStep } from "../oci/layered-disk.ts";

/** Phase of steps that name none. */
const STEPS_PHASE = "steps";
/** Phase of the first boot's layer when no step follows it. */
const BOOT_PHASE = "boot";

/** Neighbouring layers of one phase: what becomes one file of a layered disk. */
export interface LayerGroup {
  readonly phase: string;
  readonly steps: readonly ChainStep[];
  /** Lowest first, at least one. */
  readonly layers: readonly BuiltLayer[];
}

/**
 * Sorts a chain of layers into the phases of the plan's steps. The first boot's layer belongs to the phase of the first step.
 *
 * @param layers of the store, lowest first.
 * @returns the groups, lowest first, and the steps that have no layer in the store (volatile ones, and all after them).
 */
export function groupLayers(
  steps: readonly PlannedStep[],
  layers: readonly BuiltLayer[],
): { readonly groups: readonly LayerGroup[]; readonly rest: readonly ChainStep[] } {
  const groups: Growing[] = [];
  const below: BuiltLayer[] = [];
  for (const layer of layers) {
    const step = steps.find(({ key }) => key === layer.key);
    if (step) addStep(groups, step, [...below.splice(0), layer]);
    else below.push(layer);
  }
  if (below.length > 0) groups.push({ phase: BOOT_PHASE, steps: [], layers: below });
  const kept = new Set(layers.map(({ key }) => key));
  return { groups, rest: steps.filter(({ key }) => !kept.has(key)).map(named) };
}

interface Growing {
  readonly phase: string;
  readonly steps: ChainStep[];
  readonly layers: BuiltLayer[];
}

function addStep(groups: Growing[], step: PlannedStep, layers: readonly BuiltLayer[]): void {
  const phase = step.phase ?? STEPS_PHASE;
  const last = groups.at(-1);
  if (last?.phase === phase) {
    last.steps.push(named(step));
    last.layers.push(...layers);
  } else {
    groups.push({ phase, steps: [named(step)], layers: [...layers] });
  }
}

function named({ name, key }: PlannedStep): ChainStep {
  return { name, key };
}
