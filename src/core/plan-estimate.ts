import type { Plan } from "./plan.ts";
import type { StepStatus } from "./plan-diff.ts";

/** How long spans took in the last builds, in milliseconds, oldest first; by kind and name: `step containerd`, `phase boot`. */
export type Durations = Readonly<Record<string, readonly number[]>>;

export interface Estimate {
  /** Sum of the parts whose times are known, in milliseconds. */
  readonly totalMs: number;
  /** In the order in which they are done; no time for what was never done. */
  readonly parts: readonly EstimatePart[];
}

export interface EstimatePart {
  readonly kind: "step" | "phase";
  readonly name: string;
  readonly ms?: number;
}

/** The middle of the last times of a span, in milliseconds; of an even number the later half's first. */
export function estimateMs(durations: Durations, name: string): number | undefined {
  const sorted = [...(durations[name] ?? [])].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

export interface WorkToDo {
  readonly plan: Plan;
  readonly steps: readonly StepStatus[];
  readonly durations: Durations;
  /** A warm state of the last cached layer can be restored. */
  readonly warm: boolean;
}

/** Phases that make the outputs; what is done beside them at the same time does not count. */
const OUTPUT_PHASES: Readonly<Record<Plan["outputs"][number], string>> = {
  "container-disk": "wrap",
  "layered-disk": "layers",
};

/** How long a build will take, from what the last ones took. */
export function estimateBuild({ plan, steps, durations, warm }: WorkToDo): Estimate {
  const toRun = plan.disk.steps.filter((_, index) => steps[index]?.status === "will-run");
  const startsFresh = toRun[0]?.freshBoot ?? false;
  const boot = part(durations, { kind: "phase", name: "boot" });
  const work = toRun.flatMap(({ name, freshBoot }, index) => [
    ...(freshBoot && index > 0 ? [boot] : []),
    part(durations, { kind: "step", name }),
  ]);
  const start = warm && !startsFresh ? part(durations, { kind: "phase", name: "restore" }) : boot;
  const ends = ["seal", "convert", ...plan.outputs.map((output) => OUTPUT_PHASES[output])];
  const last = ends.map((name) => part(durations, { kind: "phase", name }));
  return sumOf([start, ...work, ...last, ...estimateChecks(plan.checks, durations).parts]);
}

/** How long verification takes by those suites. */
export function estimateChecks(suites: readonly string[], durations: Durations): Estimate {
  return sumOf(
    suites.map((suite) => {
      const name = `verify ${suite}`;
      return { ...part(durations, { kind: "phase", name: verifySpan(durations, name) }), name };
    }),
  );
}

function sumOf(parts: readonly EstimatePart[]): Estimate {
  return { totalMs: parts.reduce((sum, { ms = 0 }) => sum + ms, 0), parts };
}

function part(durations: Durations, { kind, name }: Pick<EstimatePart, "kind" | "name">): EstimatePart {
  const ms = estimateMs(durations, `${kind} ${name}`);
  return { kind, name, ...(ms === undefined ? {} : { ms }) };
}

/** The span of a verification says where it was done: `verify boot on qemu`. */
function verifySpan(durations: Durations, name: string): string {
  const found = Object.keys(durations).find((span) => span.startsWith(`phase ${name} on `));
  return found?.replace(/^phase /, "") ?? name;
}
