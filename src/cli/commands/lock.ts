import { failedTogether } from "../../lock/answers.ts";
import type { App } from "../app.ts";
import { openEnvironment } from "../environment-named.ts";
import type { LockFlags } from "../flags.ts";
import { checkLocks } from "../lock-check.ts";
import { fetchForMirror } from "../lock-fetch.ts";
import { lockGroups, withNeighbours } from "../lock-templates.ts";
import { updateLocks } from "../lock-update.ts";
import { lockJson, renderLock } from "../render-lock.ts";
import { withSession } from "../session.ts";

/**
 * `kvci-build lock`: resolves what floats in templates, on all their architectures.
 *
 * @throws {KvciError} with every entry that could not be resolved; the templates that do not want them are locked all the same.
 */
export async function lock(host: App, names: readonly string[], flags: LockFlags): Promise<number> {
  const { app, environment } = await openEnvironment(host, flags);
  const groups = await lockGroups(app, names);
  const json = flags.json ?? false;
  if (flags.check) return checkLocks(app, groups, { json });
  const { credentials } = environment;
  const session = { command: ["lock", ...names].join(" "), json, verbose: flags.verbose ?? false, credentials };
  return withSession(app, session, async (open) => {
    if (flags.fetch !== undefined) {
      return fetchForMirror(groups, { session: open, environment, folder: flags.fetch, json });
    }
    const neighbours = flags.prune ? await withNeighbours(app, groups) : [];
    const locks = await updateLocks(groups, { session: open, environment, neighbours });
    app.stdout.write(json ? lockJson(locks) : locks.map(renderLock).join("\n"));
    const failures = locks.flatMap((each) => each.failures);
    if (failures.length > 0) throw failedTogether(failures, "resolve");
    return 0;
  });
}
