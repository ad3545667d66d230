import type { BuiltLayer, InstalledPackage } from "../core/builder.ts";
import { KvciError } from "../core/error.ts";
import type { PlannedImage, PlannedOp } from "../core/op.ts";
import type { Plan, PlannedStep } from "../core/plan.ts";
import { groupLayers } from "./layer-groups.ts";

const MIB = 1024 ** 2;
/** How many contributors an error names. */
const NAMED = 10;
/** Phase of steps that name none; see `groupLayers`. */
const STEPS_PHASE = "steps";

type Budgeted = Pick<Plan, "maxLayerMiB" | "disk" | "images">;

/** Something that takes room in a layer. */
interface Contributor {
  readonly name: string;
  readonly bytes: number;
}

/**
 * Compares what the layers of each phase take together with what the template allows them.
 *
 * @throws {KvciError} `budget-exceeded` naming the phase, its limit and size, and what takes the most of it.
 */
export function checkLayerBudget(
  plan: Budgeted,
  { layers, packages }: { readonly layers: readonly BuiltLayer[]; readonly packages: readonly InstalledPackage[] },
): void {
  const { groups } = groupLayers(plan.disk.steps, layers);
  for (const phase of Object.keys(plan.maxLayerMiB)) {
    const own = groups.filter((group) => group.phase === phase).flatMap((group) => group.layers);
    const bytes = own.reduce((sum, layer) => sum + layer.bytes, 0);
    check(plan, {
      phase,
      bytes,
      what: "its layers take",
      contributors: () => contributors(plan, phase, { own, packages }),
    });
  }
}

/**
 * Compares what the images of each phase take, compressed and what they share counted once, with what the template allows
 * the phase: before any of it is fetched, since its layers cannot be smaller.
 *
 * @param uniqueBytes of images that are imported, by their references.
 * @throws {KvciError} `budget-exceeded` as `checkLayerBudget`
 */
export function checkImageBudget(plan: Budgeted, uniqueBytes: (images: readonly PlannedImage[]) => number): void {
  for (const phase of Object.keys(plan.maxLayerMiB)) {
    const images = imagesOf(stepsOf(plan, phase));
    const bytes = uniqueBytes(images);
    check(plan, { phase, bytes, what: "its container images alone take", contributors: () => sized(plan, images) });
  }
}

function check(
  { maxLayerMiB }: Budgeted,
  checked: {
    readonly phase: string;
    readonly bytes: number;
    readonly what: string;
    readonly contributors: () => readonly Contributor[];
  },
): void {
  const { phase, bytes, what } = checked;
  const limitMiB = maxLayerMiB[phase];
  if (limitMiB === undefined || bytes <= limitMiB * MIB) return;
  const top = [...checked.contributors()].sort((a, b) => b.bytes - a.bytes).slice(0, NAMED);
  const message = `phase "${phase}" may take ${mib(limitMiB * MIB)}, but ${what} ${mib(bytes)}`;
  throw new KvciError("budget-exceeded", message, {
    hint: `Take something out, or raise maxLayerMiB.${phase} of the template.`,
    evidence: top.map(({ name, bytes: size }) => `${mib(size).padStart(11)}  ${name}`),
  });
}

function contributors(
  plan: Budgeted,
  phase: string,
  { own, packages }: { readonly own: readonly BuiltLayer[]; readonly packages: readonly InstalledPackage[] },
): readonly Contributor[] {
  const steps = stepsOf(plan, phase);
  const installed = installedBy(steps, packages).map(({ name, installedBytes = 0 }) => ({
    name: `package ${name}, installed`,
    bytes: installedBytes,
  }));
  const layers = own.map(({ step, bytes }) => ({ name: `layer of step ${step}`, bytes }));
  return [...layers, ...sized(plan, imagesOf(steps)), ...installed];
}

function sized({ images = [] }: Budgeted, wanted: readonly PlannedImage[]): readonly Contributor[] {
  const refs = new Set(wanted.map(({ ref }) => ref));
  return images
    .filter(({ ref }) => refs.has(ref))
    .map(({ ref, bytes }) => ({ name: `image ${ref}, compressed`, bytes }));
}

function stepsOf({ disk }: Budgeted, phase: string): readonly PlannedStep[] {
  return disk.steps.filter((step) => (step.phase ?? STEPS_PHASE) === phase);
}

function imagesOf(steps: readonly PlannedStep[]): readonly PlannedImage[] {
  return steps.flatMap(({ ops }) => ops).flatMap((op) => (op.kind === "load-images" ? op.images : []));
}

/** The packages that commands of these steps name, alone or with a version: as apt (`name=1.0`) and dnf (`name-1.0`) write it. */
function installedBy(
  steps: readonly PlannedStep[],
  packages: readonly InstalledPackage[],
): readonly InstalledPackage[] {
  const words = new Set(steps.flatMap(({ ops }) => ops).flatMap(wordsOf));
  return packages.filter(({ name, version, arch }) =>
    [name, `${name}=${version}`, `${name}:${arch}=${version}`, `${name}-${version}`, `${name}-${version}.${arch}`].some(
      (word) => words.has(word),
    ),
  );
}

/** What a command or a file says, word by word: package lists are arguments, or a file that a command reads. */
function wordsOf(op: PlannedOp): readonly string[] {
  if (op.kind === "run") return op.argv.flatMap((word) => word.split(/\s+/));
  return op.kind === "write-file" ? op.content.split(/\s+/) : [];
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(bytes < MIB ? 2 : 1)} MiB`;
}
