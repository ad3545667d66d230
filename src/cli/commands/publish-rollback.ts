import { withDisposal } from "../../core/disposal.ts";
import { KvciError } from "../../core/error.ts";
import { begunSteps, openLedger, readLedgers, rememberedBy, type LedgerRun } from "../../publish/ledger.ts";
import type { AnyPublisher } from "../../publish/plan.ts";
import { rollBack } from "../../publish/rollback.ts";
import type { App } from "../app.ts";
import { openEnvironment } from "../environment-named.ts";
import { agree, hasTerminal } from "../publish-consent.ts";
import type { PublishRollbackFlags } from "../publish-options.ts";
import { ledgerFolder, runNamed } from "../publish-ledgers.ts";
import { targetsNamed } from "../publish-targets.ts";
import { publishersOf } from "../publishers.ts";
import { recordImages } from "../record-images.ts";
import { releasedBuilds } from "../release-builds.ts";
import { withSession, type Session } from "../session.ts";

/**
 * `kvci-build publish rollback`: takes back what a run did, last first. What fails ends it; the same command goes on there.
 *
 * @throws {KvciError} `usage` for a run that there is not, and without a yes; what the publishers say.
 */
export async function publishRollback(host: App, name: string, flags: PublishRollbackFlags): Promise<number> {
  const { app, environment } = await openEnvironment(host, flags);
  const runs = await readLedgers(ledgerFolder(app.storeRoot));
  const run = runNamed(runs, name);
  const targets = targetsNamed(environment, run.begun.targets);
  const { json = false, verbose = false } = flags;
  const session = { command: `publish rollback ${name}`, json, verbose, credentials: environment.credentials };
  const undone = await withSession(app, session, async (open) => {
    if (!flags.yes) await consent(run, { session: open, json });
    const publishers = await publishersOf(targets, open);
    const taken = await undo(run, { runs, publishers, session: open });
    await recordAgain(run, { publishers, out: flags.out, session: open });
    return taken;
  });
  const text = undone.length > 0 ? undone.map((step) => `taken back: ${step}\n`).join("") : "nothing to take back\n";
  app.stdout.write(json ? `${JSON.stringify({ run: run.run, undone })}\n` : text);
  return 0;
}

async function consent(
  run: LedgerRun,
  { session, json }: { readonly session: Session; readonly json: boolean },
): Promise<void> {
  const { app, withScreen } = session;
  const steps = begunSteps(run).filter(({ step }) => step.reversible);
  if (steps.length === 0) return;
  const lines = steps.reverse().map(({ step }) => `${step.target} ${step.place}: ${step.title}`);
  const question = `rolling back ${run.run} takes ${String(steps.length)} steps back, in this order`;
  if (json || !hasTerminal(app)) {
    throw new KvciError("usage", `${question}; say so with --yes`, {
      hint: `\`kvci-build publish status ${run.run}\` shows what the run did.`,
      evidence: lines,
    });
  }
  await agree(app, withScreen, `${question}:\n${lines.map((line) => `  ${line}\n`).join("")}`);
}

async function undo(
  run: LedgerRun,
  parts: {
    readonly runs: readonly LedgerRun[];
    readonly publishers: readonly AnyPublisher[];
    readonly session: Session;
  },
): Promise<readonly string[]> {
  const { runs, publishers, session } = parts;
  const { store, journal, signal, app } = session;
  const lock = await store.lock(`publish-${run.begun.subject}`, { signal });
  return withDisposal(lock, async () => {
    const ledger = await openLedger(ledgerFolder(store.root), { run: run.run, now: app.now });
    return withDisposal(ledger, async () => {
      const remembered = rememberedBy(runs, run.begun.subject);
      const undone = await rollBack(run, { publishers, ledger, remembered, journal, signal });
      await ledger.append({ type: "ended", outcome: "rolled-back" });
      return undone;
    });
  });
}

/** Brings the list of published images up to date, where the builds of the run are still there to ask for. */
async function recordAgain(
  { begun }: LedgerRun,
  of: { readonly publishers: readonly AnyPublisher[]; readonly out: string; readonly session: Session },
): Promise<void> {
  const { publishers, out, session } = of;
  const builds = await releasedBuilds(begun.what, { out, session });
  if (builds.length > 0) await recordImages({ publishers, builds, out }, session);
  if (builds.length === begun.what.length) return;
  const detail = `not all builds of the run are in ${out}: what is listed of them may be gone`;
  session.journal.emit({ type: "warning", subject: "published-images.json", detail });
}
