import { KvciError } from "../core/error.ts";
import type { Journal } from "../core/journal.ts";
import { begunSteps, type Ledger, type LedgerRun } from "./ledger.ts";
import type { AnyPublisher } from "./plan.ts";
import { contextOf, publisherOf } from "./run-plan.ts";
import type { JsonValue } from "./json.ts";

export interface RollbackPorts {
  readonly publishers: readonly AnyPublisher[];
  readonly ledger: Ledger;
  readonly remembered: Map<string, JsonValue>;
  readonly journal: Journal;
  readonly signal: AbortSignal;
}

/**
 * Takes back what a run did, last first: pointers, permissions, then resources that this run made. Steps that were taken back
 * before are left alone. The first failure ends it; rolling back again goes on there.
 *
 * @returns the ids of the steps that were taken back.
 * @throws {KvciError} what the publishers say; `interrupted`.
 */
export async function rollBack(run: LedgerRun, ports: RollbackPorts): Promise<readonly string[]> {
  const begun = begunSteps(run);
  const results = new Map(begun.flatMap(({ step, result }) => (result ? [[step.id, result] as const] : [])));
  const undone: string[] = [];
  for (const { step, result } of begun.filter(({ step }) => step.reversible).reverse()) {
    if (ports.signal.aborted) throw stopped();
    const publisher = publisherOf(step.target, ports.publishers);
    await ports.journal.span({ name: `${step.place}: undo: ${step.title}`, kind: "step" }, (journal) =>
      publisher.undo(step, result, contextOf(ports, { journal, results })),
    );
    await ports.ledger.append({ type: "undone", step: step.id });
    undone.push(step.id);
  }
  return undone;
}

function stopped(): KvciError {
  return new KvciError("interrupted", "the rollback was stopped", {
    hint: "Run the same command again; it goes on where it stopped.",
  });
}
