import { KvciError, messageOf } from "../core/error.ts";
import type { Journal } from "../core/journal.ts";
import type { JsonValue } from "./json.ts";
import type { Ledger } from "./ledger.ts";
import { PHASES, type Phase } from "./phase.ts";
import type { AnyPublisher, PublishPlan } from "./plan.ts";
import type { PublishContext } from "./publisher.ts";
import { runPhase, type StepFailure } from "./run-phase.ts";
import type { PublishStep, StepResult } from "./step.ts";

export interface RunPorts {
  readonly publishers: readonly AnyPublisher[];
  readonly ledger: Ledger;
  /** What earlier runs of the same subject remembered; kept up to date. */
  readonly remembered: Map<string, JsonValue>;
  readonly journal: Journal;
  readonly signal: AbortSignal;
  /** Called after each phase that did something, and at the end of a run that failed. */
  readonly afterPhase: (phase: Phase) => Promise<void>;
  /** Steps at once. Default: 16, below the 20 copies that a region takes. */
  readonly concurrency?: number;
}

/** A place that a release goes without. */
export interface LeftOut {
  readonly target: string;
  readonly place: string;
  readonly error: KvciError;
}

const CONCURRENCY = 16;

/**
 * Runs a plan's steps phase by phase. No phase begins before every required step of the one before is done: nothing that users
 * can see changes while a required place is not ready. What is under way when a step fails is waited for.
 *
 * @returns the places that were not required and failed; their later steps were left out.
 * @throws {KvciError} of the first required step that failed, with all others as evidence; `interrupted`.
 */
export async function runPlan(plan: PublishPlan, ports: RunPorts): Promise<readonly LeftOut[]> {
  const results = new Map<string, StepResult>();
  const leftOut: LeftOut[] = [];
  for (const phase of PHASES) {
    const steps = plan.steps.filter((step) => step.phase === phase && !isLeftOut(step, leftOut));
    if (steps.length === 0) continue;
    await ports.journal.span({ name: phase, kind: "phase" }, async (journal) => {
      const failures = await runPhase(steps, {
        concurrency: ports.concurrency ?? CONCURRENCY,
        signal: ports.signal,
        run: (step) => runStep(step, { ...ports, journal }, results),
      });
      leftOut.push(...goneWithout(failures, ports));
      await endPhase(phase, failures, ports);
    });
  }
  return leftOut;
}

function goneWithout(failures: readonly StepFailure[], { journal }: RunPorts): readonly LeftOut[] {
  const optional = failures.filter(({ step }) => !step.required);
  for (const { step, error } of optional) {
    const subject = `${step.target} ${step.place}`;
    journal.emit({ type: "warning", subject, detail: `left out: ${error.message}` });
  }
  return optional.map(({ step: { target, place }, error }) => ({ target, place, error }));
}

/** @throws {KvciError} of the first required step; `interrupted`, also when all that was under way came to a good end. */
async function endPhase(phase: Phase, failures: readonly StepFailure[], ports: RunPorts): Promise<void> {
  const [first, ...others] = failures.filter(({ step }) => step.required);
  if (first) {
    // Whatever is wrong with this, too, is not what the run failed of.
    await ports.afterPhase(phase).catch(() => undefined);
    throw withOthers(first.error, others);
  }
  if (ports.signal.aborted) {
    throw new KvciError("interrupted", `stopped in the phase ${phase}`, {
      hint: "Run the same command again; it goes on where it stopped.",
    });
  }
  await ports.afterPhase(phase);
}

function isLeftOut({ target, place }: PublishStep, leftOut: readonly LeftOut[]): boolean {
  return leftOut.some((each) => each.target === target && each.place === place);
}

async function runStep(step: PublishStep, ports: RunPorts, results: Map<string, StepResult>): Promise<void> {
  const { ledger, journal, signal } = ports;
  const publisher = publisherOf(step.target, ports.publishers);
  await ledger.append({ type: "intended", step: step.id, data: step });
  try {
    const result = await journal.span({ name: `${step.place}: ${step.title}`, kind: "step" }, (inner) =>
      publisher.run(step, contextOf(ports, { journal: inner, results })),
    );
    await ledger.append({ type: "done", step: step.id, result });
    results.set(step.id, result);
  } catch (error) {
    const failure = failureOf(step, error, signal);
    await ledger.append({ type: "failed", step: step.id, code: failure.code, message: failure.message });
    throw failure;
  }
}

/** What a publisher is given for one step. */
export function contextOf(
  { ledger, remembered, signal }: Pick<RunPorts, "ledger" | "remembered" | "signal">,
  { journal, results }: Pick<PublishContext, "journal" | "results">,
): PublishContext {
  return {
    journal,
    signal,
    results,
    remember: async (key, value) => {
      await ledger.append({ type: "remembered", key, value });
      remembered.set(key, value);
    },
    recall: (key) => remembered.get(key),
  };
}

/** @throws {KvciError} `internal` for a target that nobody publishes to. */
export function publisherOf(target: string, publishers: readonly AnyPublisher[]): AnyPublisher {
  const publisher = publishers.find((each) => each.target === target);
  if (publisher) return publisher;
  throw new KvciError("internal", `nobody publishes to ${target}`, { hint: "Report this." });
}

function failureOf(step: PublishStep, error: unknown, signal: AbortSignal): KvciError {
  if (signal.aborted) {
    return new KvciError("interrupted", `${step.title}: stopped`, {
      hint: "Run the same command again; it goes on where it stopped.",
      cause: error,
    });
  }
  if (!(error instanceof KvciError)) {
    return new KvciError("internal", `${step.title}: ${messageOf(error)}`, { hint: "Report this.", cause: error });
  }
  const { code, hint, evidence } = error;
  return new KvciError(code, `${step.place}: ${step.title}: ${error.message}`, { hint, evidence, cause: error });
}

function withOthers(first: KvciError, others: readonly { readonly error: KvciError }[]): KvciError {
  if (others.length === 0) return first;
  const { code, hint, evidence, message } = first;
  const also = others.map(({ error }) => `also: ${error.message}`);
  return new KvciError(code, message, { hint, evidence: [...evidence, ...also], cause: first });
}
