import type { LedgerRun } from "./ledger.ts";
import type { LedgerRecord } from "./ledger-record.ts";

/** `open`: begun, and neither finished nor failed as far as the ledger knows. */
type StepState = "done" | "failed" | "open" | "undone";

export interface RunStatus {
  readonly run: string;
  readonly at: string;
  readonly what: readonly string[];
  readonly targets: readonly string[];
  /** `unfinished` for a run that was killed, or is still going on. */
  readonly outcome: string;
  readonly steps: readonly StepStatus[];
}

export interface StepStatus {
  readonly id: string;
  readonly target: string;
  readonly place: string;
  readonly title: string;
  readonly state: StepState;
  /** Why it failed. */
  readonly message?: string;
}

/** What a ledger says of a run, step by step in the order they were begun. */
export function runStatus({ run, begun, records }: Pick<LedgerRun, "run" | "begun" | "records">): RunStatus {
  const steps = new Map<string, StepStatus>();
  for (const record of records) {
    if (record.type === "intended") {
      const { id, target, place, title } = record.data;
      steps.set(id, { id, target, place, title, state: "open" });
      continue;
    }
    const known = "step" in record ? steps.get(record.step) : undefined;
    if (known) steps.set(known.id, { ...known, ...changeBy(record) });
  }
  const outcome = records.findLast((record) => record.type === "ended")?.outcome ?? "unfinished";
  const { at, what, targets } = begun;
  return { run, at, what, targets, outcome, steps: [...steps.values()] };
}

function changeBy(record: LedgerRecord): Partial<StepStatus> {
  switch (record.type) {
    case "done":
      return { state: "done" };
    case "failed":
      return { state: "failed", message: record.message };
    case "undone":
      return { state: "undone" };
    default:
      return {};
  }
}
