import type { Paint } from "../journal/paint.ts";
import type { RunStatus, StepStatus } from "../publish/run-status.ts";
import { table } from "./table.ts";

/** Runs, one a line, oldest first. */
export function renderRuns(runs: readonly RunStatus[], paint: Paint): string {
  if (runs.length === 0) return "nothing was published from this store\n";
  const rows = runs.map(({ run, what, targets, outcome, steps }) => [
    run,
    outcome,
    counted(steps),
    targets.join(", "),
    what.join(", "),
  ]);
  const [head = "", ...lines] = table(
    ["left", "left", "left", "left", "left"],
    [["run", "outcome", "steps", "targets", "what"], ...rows],
  );
  return `${[paint("dim", head), ...lines].join("\n")}\n`;
}

const MARKS = { done: "green", failed: "red", open: "yellow", undone: "dim" } as const;

/** One run, step by step. */
export function renderRun({ run, at, what, targets, outcome, steps }: RunStatus, paint: Paint): string {
  const lines = table(
    ["left", "left", "left"],
    steps.map(({ target, place, title, message }) => [
      target,
      place,
      message === undefined ? title : `${title}: ${message}`,
    ]),
  );
  return [
    paint("bold", `run ${run}: ${outcome}`),
    `${what.join(", ")} to ${targets.join(", ")}, begun ${at}`,
    ...steps.map(({ state }, index) => `  ${paint(MARKS[state], state.padEnd(6))}  ${lines[index] ?? ""}`),
    "",
  ].join("\n");
}

function counted(steps: readonly StepStatus[]): string {
  const counts = [...Map.groupBy(steps, ({ state }) => state)].map(([state, all]) => `${String(all.length)} ${state}`);
  return counts.length > 0 ? counts.join(", ") : "none";
}
