import type { Environment } from "../core/environment.ts";
import { KvciError } from "../core/error.ts";
import { displayLine } from "../journal/text-width.ts";
import { failedTogether } from "../lock/answers.ts";
import type { App } from "./app.ts";
import { ask } from "./ask.ts";
import { lockGroups } from "./lock-templates.ts";
import { updateLocks } from "./lock-update.ts";
import { renderLock } from "./render-lock.ts";
import { withSession } from "./session.ts";

export interface OfferOptions {
  /** Templates that would be locked. */
  readonly names: readonly string[];
  readonly environment: Environment;
  readonly json: boolean;
  readonly verbose?: boolean;
  /** Resolves and writes. Default: what `kvci-build lock` does. */
  readonly resolve?: (app: App, options: OfferOptions) => Promise<void>;
}

/** Plans; where the lock lacks something and a person sits at the terminal, offers to resolve it, and plans again. */
export async function planWithLock<T>(app: App, plan: () => Promise<T>, options: OfferOptions): Promise<T> {
  try {
    return await plan();
  } catch (error) {
    if (!isAboutLock(error) || !isInteractive(app, options)) throw error;
    app.stderr.write(`${[error.message, ...error.evidence].map(displayLine).join("\n")}\n`);
    const question = { text: "Resolve it now? [y/N] ", answers: { y: "yes", n: "no" }, otherwise: "no" } as const;
    if ((await ask<"yes" | "no">(app, question)) === "no") throw error;
  }
  await (options.resolve ?? resolveNow)(app, options);
  return plan();
}

function isAboutLock(error: unknown): error is KvciError {
  return error instanceof KvciError && (error.code === "lock-missing" || error.code === "lock-stale");
}

function isInteractive({ stdin, stderr }: App, { json }: OfferOptions): boolean {
  return !json && stdin.isTTY && stderr.isTTY;
}

async function resolveNow(app: App, { names, environment, verbose = false }: OfferOptions): Promise<void> {
  const { credentials } = environment;
  const groups = await lockGroups(app, names);
  const command = `lock ${names.join(" ")}`;
  await withSession(app, { command, json: false, verbose, credentials }, async (session) => {
    const locks = await updateLocks(groups, { session, environment });
    // Standard output is for what was asked for.
    app.stderr.write(locks.map(renderLock).join("\n"));
    const failures = locks.flatMap((each) => each.failures);
    if (failures.length > 0) throw failedTogether(failures, "resolve");
  });
}
