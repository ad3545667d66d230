import { streamPaint } from "../../journal/paint.ts";
import { readLedgers } from "../../publish/ledger.ts";
import { runStatus } from "../../publish/run-status.ts";
import type { App } from "../app.ts";
import { openEnvironment } from "../environment-named.ts";
import { ledgerFolder, runNamed } from "../publish-ledgers.ts";
import type { PublishStatusFlags } from "../publish-options.ts";
import { renderRun, renderRuns } from "../render-publish-status.ts";

/**
 * `kvci-build publish status`: the runs that this store knows of, or one of them step by step. By their ledgers: what is at the
 * targets is what `--plan` tells.
 */
export async function publishStatus(host: App, name: string | undefined, flags: PublishStatusFlags): Promise<number> {
  const { app } = await openEnvironment(host, flags);
  const runs = await readLedgers(ledgerFolder(app.storeRoot));
  const paint = streamPaint(app.stdout);
  if (name !== undefined) {
    const status = runStatus(runNamed(runs, name));
    app.stdout.write(flags.json ? `${JSON.stringify(status)}\n` : renderRun(status, paint));
    return 0;
  }
  const all = runs.map(runStatus);
  app.stdout.write(flags.json ? `${JSON.stringify({ runs: all })}\n` : renderRuns(all, paint));
  return 0;
}
