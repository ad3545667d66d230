import { readLock } from "../base/lock-file.ts";
import type { Environment } from "../core/environment.ts";
import type { Lock } from "../core/lock.ts";
import { failedTogether } from "../lock/answers.ts";
import type { LockTarget } from "../lock/lock-targets.ts";
import { refreshing, withoutOutdated, type Refreshed } from "../lock/refreshing.ts";
import { resolveLock } from "../lock/resolve-lock.ts";
import { withLockPorts } from "./lock-access.ts";
import { targetsOf, withNeighbours, type LockGroup } from "./lock-templates.ts";
import type { App } from "./app.ts";
import type { Session } from "./session.ts";

export interface RelockRequest {
  /** The templates as they are to be, and their lock. */
  readonly group: LockGroup;
  /** What the same templates wanted of the lock before. */
  readonly before: readonly LockTarget[];
  /** The app where these templates are. */
  readonly app: App;
  readonly refresh: Refreshed;
}

/** A lock before and after. */
export interface Relocked {
  readonly before: Lock;
  readonly after: Lock;
}

/**
 * Resolves what templates want, anew or as far as the lock lacks it; what they wanted and nobody wants any more is left out.
 * Writes nothing.
 *
 * @throws {KvciError} naming every entry that could not be resolved.
 */
export async function relock(
  { group, before: wantedBefore, app, refresh }: RelockRequest,
  context: { readonly session: Session; readonly environment: Environment },
): Promise<Relocked> {
  const { journal } = context.session;
  const before = await readLock(group.path);
  const update = await withLockPorts([group], context, (ports) =>
    resolveLock(before, targetsOf(group), { ports: refreshing(ports, before, refresh), journal }),
  );
  if (update.failures.length > 0) throw failedTogether(update.failures, "resolve");
  const around = await withNeighbours(app, [group]);
  const now = around.flatMap(targetsOf);
  return { before, after: withoutOutdated(update.lock, { before: wantedBefore, now }) };
}
