import { withDisposal } from "../core/disposal.ts";
import { KvciError, messageOf } from "../core/error.ts";
import { openLedger, readLedgers, rememberedBy, type Ledger } from "../publish/ledger.ts";
import type { NewRecord, RunOutcome } from "../publish/ledger-record.ts";
import type { AnyPublisher, PublishPlan } from "../publish/plan.ts";
import type { PublishedImage, ReleaseBuild } from "../publish/publisher.ts";
import { runPlan, type LeftOut } from "../publish/run-plan.ts";
import { shellCommand } from "../machine/shell-quote.ts";
import { ledgerFolder } from "./publish-ledgers.ts";
import { recordImages } from "./record-images.ts";
import type { Session } from "./session.ts";
import { version } from "./version.ts";

export interface PublishRun {
  readonly plan: PublishPlan;
  readonly builds: readonly ReleaseBuild[];
  readonly publishers: readonly AnyPublisher[];
  /** Folder of published-images.json. */
  readonly out: string;
}

export interface PublishOutcome {
  readonly run: string;
  readonly leftOut: readonly LeftOut[];
  readonly images: readonly PublishedImage[];
}

/**
 * Applies a plan, with a ledger; the list of published images is brought up to date after every phase.
 *
 * @throws {KvciError} what `runPlan` throws, with the run's name; `interrupted` with the command that goes on.
 */
export async function applyPlan(request: PublishRun, session: Session): Promise<PublishOutcome> {
  const { plan } = request;
  const { store, signal } = session;
  const lock = await store.lock(`publish-${plan.subject}`, {
    signal,
    onWait: (holder) => {
      session.journal.emit({
        type: "warning",
        subject: "publish",
        detail: `waiting for ${holder}, which publishes the same`,
      });
    },
  });
  return withDisposal(lock, async () => {
    const folder = ledgerFolder(store.root);
    const remembered = rememberedBy(await readLedgers(folder), plan.subject);
    const ledger = await openLedger(folder, { run: runName(session), now: session.app.now });
    return withDisposal(ledger, () => logged(request, { session, ledger, remembered }));
  });
}

/** Sorts by time, and tells runs of one second apart. */
function runName({ app, runId }: Session): string {
  const time = new Date(app.now()).toISOString().slice(0, 19).replace(/[-:]/g, "");
  return `${time}-${runId.slice(0, 6)}`;
}

async function logged(
  request: PublishRun,
  parts: {
    readonly session: Session;
    readonly ledger: Ledger;
    readonly remembered: Parameters<typeof runPlan>[1]["remembered"];
  },
): Promise<PublishOutcome> {
  const { plan, publishers } = request;
  const { session, ledger, remembered } = parts;
  const { journal, signal } = session;
  await ledger.append(begunRecord(request, ledger.run));
  let outcome: RunOutcome = "failed";
  try {
    const afterPhase = async (): Promise<void> => {
      await recordImages(request, session);
    };
    const leftOut = await runPlan(plan, { publishers, ledger, remembered, journal, signal, afterPhase });
    outcome = leftOut.length > 0 ? "partial" : "published";
    const images = await recordImages(request, session);
    return { run: ledger.run, leftOut, images };
  } catch (error) {
    if (!signal.aborted) throw withRun(error, ledger.run);
    outcome = "interrupted";
    throw interrupted(error, { run: ledger.run, session });
  } finally {
    await ledger.append({ type: "ended", outcome });
  }
}

function begunRecord({ plan, builds }: PublishRun, run: string): NewRecord {
  const { subject, targets, id } = plan;
  const what = builds.map(({ template, arch, version: release }) => `${template} ${arch} ${release}`);
  return { type: "run", formatVersion: 1, run, subject, plan: id, targets, what, tool: version() };
}

function withRun(error: unknown, run: string): unknown {
  if (!(error instanceof KvciError)) return error;
  return new KvciError(error.code, error.message, {
    hint: error.hint,
    evidence: [...error.evidence, runLine(run)],
    cause: error,
  });
}

function runLine(run: string): string {
  return `run ${run}: kvci-build publish status ${run}, kvci-build publish rollback ${run}`;
}

/** What the user did, and how to go on; what was cut short by it is in the ledger. */
function interrupted(
  cause: unknown,
  { run, session: { app, signal } }: { readonly run: string; readonly session: Session },
): KvciError {
  const args = app.argv.includes("--resume") ? app.argv : [...app.argv, "--resume"];
  return new KvciError("interrupted", messageOf(signal.reason), {
    hint: `Go on with: ${shellCommand(["kvci-build", ...args])}`,
    evidence: ["What was finished is kept, and nothing of it is done again.", runLine(run)],
    cause,
  });
}
