/**
 * Publishes as the command does, in a process of its own, and may kill itself (SIGKILL) after so many lines of its ledger:
 *
 *   node test/contract/publish-driver.ts '{"setup": "/…/setup.ts", "input": …, "storeRoot": "/…", "killAfter": 3}'
 *
 * The module `setup` exports `setup(input): Promise<{ publishers, builds }>`. Prints one line of JSON at its end.
 */
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { KvciError } from "../../src/core/error.ts";
import { silentJournal } from "../../src/core/journal.ts";
import type { JsonValue } from "../../src/publish/json.ts";
import { openLedger, readLedgers, rememberedBy, type Ledger } from "../../src/publish/ledger.ts";
import { makePublishPlan, type AnyPublisher } from "../../src/publish/plan.ts";
import type { ReleaseBuild } from "../../src/publish/publisher.ts";
import { runPlan } from "../../src/publish/run-plan.ts";

export interface DriverInput {
  /** Path of the module that makes publishers. */
  readonly setup: string;
  readonly input: JsonValue;
  readonly storeRoot: string;
  /** Lines of the ledger after which the process dies; never without. */
  readonly killAfter?: number;
}

export interface DriverOutcome {
  readonly steps: number;
  readonly appends: number;
  readonly error: string | null;
}

export interface DriverSetup {
  readonly publishers: readonly AnyPublisher[];
  readonly builds: readonly ReleaseBuild[];
}

/** Everything a run does, with a ledger that may end the process. */
export async function drive({ setup, input, storeRoot, killAfter = Infinity }: DriverInput): Promise<DriverOutcome> {
  const module = (await import(pathToFileURL(setup).href)) as { setup: (input: JsonValue) => Promise<DriverSetup> };
  const { publishers, builds } = await module.setup(input);
  const { signal } = new AbortController();
  const plan = await makePublishPlan(builds, publishers, signal);
  if (plan.steps.length === 0) return { steps: 0, appends: 0, error: null };
  const folder = join(storeRoot, "publish", "runs");
  const remembered = rememberedBy(await readLedgers(folder), plan.subject);
  const opened = await openLedger(folder, { run: `${Date.now()}-${process.pid}`, now: Date.now });
  let appends = 0;
  const ledger: Ledger = {
    run: opened.run,
    path: opened.path,
    append: async (record) => {
      await opened.append(record);
      appends += 1;
      if (appends >= killAfter) process.kill(process.pid, "SIGKILL");
    },
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
  const { subject, targets, id } = plan;
  await ledger.append({
    type: "run",
    formatVersion: 1,
    run: ledger.run,
    subject,
    plan: id,
    targets,
    what: [],
    tool: "driver",
  });
  let error: string | null = null;
  try {
    const ports = {
      publishers,
      ledger,
      remembered,
      journal: silentJournal,
      signal,
      afterPhase: () => Promise.resolve(),
    };
    await runPlan(plan, ports);
  } catch (caught) {
    error = caught instanceof KvciError ? [String(caught), ...caught.evidence].join("\n") : String(caught);
  }
  await ledger.append({ type: "ended", outcome: error === null ? "published" : "failed" });
  await ledger[Symbol.asyncDispose]();
  return { steps: plan.steps.length, appends, error };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const outcome = await drive(JSON.parse(process.argv[2] ?? "{}") as DriverInput);
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}
