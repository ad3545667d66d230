import { isDeepStrictEqual } from "node:util";
import { readLock, writeLock } from "../base/lock-file.ts";
import { withDisposal } from "../core/disposal.ts";
import type { Environment } from "../core/environment.ts";
import type { Failure } from "../lock/answers.ts";
import { entriesFor } from "../lock/prune-lock.ts";
import { resolveLock, type LockPorts } from "../lock/resolve-lock.ts";
import { withLockPorts } from "./lock-access.ts";
import { targetsOf, type LockGroup } from "./lock-templates.ts";
import type { LockResult } from "./render-lock.ts";
import type { Session } from "./session.ts";

interface LockOptions {
  readonly ports: LockPorts;
  /** All that may want entries of the lock; given when the others are to be removed. */
  readonly neighbours?: LockGroup | undefined;
}

/** A lock file brought up to date, and what could not be. */
export interface UpdatedLock extends LockResult {
  readonly failures: readonly Failure[];
}

/** Brings the lock files of groups up to date. */
export async function updateLocks(
  groups: readonly LockGroup[],
  options: {
    readonly session: Session;
    readonly environment: Environment;
    readonly neighbours?: readonly LockGroup[];
  },
): Promise<UpdatedLock[]> {
  const { session, environment, neighbours = [] } = options;
  return withLockPorts(groups, { session, environment }, async (ports) => {
    const locks: UpdatedLock[] = [];
    for (const group of groups) {
      const around = neighbours.find(({ path }) => path === group.path);
      locks.push(await updateLockFile(group, session, { ports, neighbours: around }));
    }
    return locks;
  });
}

/** Resolves what a group of templates wants, into its lock file; one kvci-build at a time does. */
async function updateLockFile(
  group: LockGroup,
  session: Session,
  { ports, neighbours }: LockOptions,
): Promise<UpdatedLock> {
  const { store, journal, signal } = session;
  const onWait = (holder: string): void => {
    journal.emit({ type: "warning", subject: group.path, detail: `waiting for ${holder}` });
  };
  return withDisposal(await store.lock(`lock-file-${group.path}`, { signal, onWait }), async () => {
    const before = await readLock(group.path);
    const update = await resolveLock(before, targetsOf(group), { ports, journal });
    for (const { ref, manifest } of update.untagged) {
      journal.emit({
        type: "warning",
        subject: manifest,
        detail: `names ${ref} without a tag; it is locked as it is now`,
      });
    }
    const after = neighbours ? entriesFor(update.lock, targetsOf(neighbours)) : update.lock;
    if (!isDeepStrictEqual(after, before)) await writeLock(group.path, after);
    return { path: group.path, before, after, failures: update.failures };
  });
}
