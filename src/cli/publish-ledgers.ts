import { join } from "node:path";
import { KvciError } from "../core/error.ts";
import { didYouMean } from "../core/near-name.ts";
import type { LedgerRun } from "../publish/ledger.ts";

/** Where ledgers are kept. */
export function ledgerFolder(storeRoot: string): string {
  return join(storeRoot, "publish", "runs");
}

/** @throws {KvciError} `usage` */
export function runNamed(runs: readonly LedgerRun[], name: string): LedgerRun {
  const run = runs.find((each) => each.run === name);
  if (run) return run;
  const names = runs.map((each) => each.run);
  throw new KvciError("usage", `there is no run "${name}"${didYouMean(name, names)}`, {
    hint: "`kvci-build publish status` lists the runs of this store.",
  });
}
