import { readFile, rm, writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { DatabaseSync } from "node:sqlite";

/** How often a held lock is asked for again. */
const ASK_EVERY_MS = 200;

/**
 * An exclusive lock on `path` (and `path.holder`, which says who has it). SQLite's exclusive transaction is a lock of the
 * kernel's: it ends with its process, whatever kills it, so there are no stale locks to judge. Node has no other such lock.
 */
export async function acquireLock(
  path: string,
  options: {
    readonly holder: string;
    readonly signal: AbortSignal;
    readonly onWait?: ((holder: string) => void) | undefined;
  },
): Promise<AsyncDisposable> {
  const database = new DatabaseSync(path);
  try {
    let told = false;
    while (!tryBegin(database)) {
      if (!told) options.onWait?.(await readFile(`${path}.holder`, "utf8").catch(() => "another kvci-build"));
      told = true;
      await delay(ASK_EVERY_MS, undefined, { signal: options.signal });
      options.signal.throwIfAborted();
    }
    return await held(path, database, options.holder);
  } catch (error) {
    database.close();
    throw error;
  }
}

/** As `acquireLock`, but undefined at once when somebody else has it. */
export async function tryAcquireLock(path: string, holder: string): Promise<AsyncDisposable | undefined> {
  const database = new DatabaseSync(path);
  try {
    if (tryBegin(database)) return await held(path, database, holder);
  } catch (error) {
    database.close();
    throw error;
  }
  database.close();
  return undefined;
}

async function held(path: string, database: DatabaseSync, holder: string): Promise<AsyncDisposable> {
  // On a full disk nobody learns the name, but the lock holds: what makes room needs it, too.
  await writeFile(`${path}.holder`, holder).catch(() => undefined);
  return {
    async [Symbol.asyncDispose]() {
      await rm(`${path}.holder`, { force: true });
      database.close();
    },
  };
}

function tryBegin(database: DatabaseSync): boolean {
  try {
    // Nothing is ever written, and on a full disk there is no room for a journal of nothing.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    return true;
  } catch (error) {
    if (error instanceof Error && /locked|busy/i.test(error.message)) return false;
    throw error;
  }
}
