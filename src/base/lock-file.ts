import { readFile } from "node:fs/promises";
import { KvciError, messageOf } from "../core/error.ts";
import { EMPTY_LOCK, parseLock, type Lock } from "../core/lock.ts";
import { writeFileAtomic } from "../store/atomic.ts";

export const LOCK_FILE = "kvci-build.lock.json";

/**
 * Reads the lock; without a file, the empty one.
 *
 * @throws {InputError} `lock-invalid`
 */
export async function readLock(path: string): Promise<Lock> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw unusable(path, error);
  });
  if (text === undefined) return EMPTY_LOCK;
  return parseLock(parseJson(text), path);
}

/** Invalid JSON becomes a value that no schema takes, so that both mistakes are told in the same way. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Writes the lock: keys sorted, two spaces, so that a change shows as the lines that changed. Readers see the old file or the new one. */
export async function writeLock(path: string, lock: Lock): Promise<void> {
  try {
    await writeFileAtomic(path, lockText(lock));
  } catch (error) {
    throw unusable(path, error);
  }
}

export function lockText(lock: Lock): string {
  return `${JSON.stringify(sorted(lock), undefined, 2)}\n`;
}

function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([key, member]) => [key, sorted(member)]));
}

function unusable(path: string, cause: unknown): KvciError {
  return new KvciError("lock-invalid", `${path}: ${messageOf(cause)}`, {
    hint: "The lock lies beside the templates' folder; check that it can be read and written.",
    cause,
  });
}
