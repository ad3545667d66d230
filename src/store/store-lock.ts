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
    await writeFile(`${path}.holder`, options.holder);
  } catch (error) {
    database.close();
    throw error;
  }
  return {
    async [Symbol.asyncDispose]() {
      await rm(`${path}.holder`, { force: true });
      database.close();
    },
  };
}

function tryBegin(database: DatabaseSync): boolean {
  try {
    database.exec("BEGIN EXCLUSIVE");
    return true;
  } catch (error) {
    if (error instanceof Error && /locked|busy/i.test(error.message)) return false;
    throw error;
  }
}
