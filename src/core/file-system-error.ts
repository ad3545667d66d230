import { KvciError, messageOf, type ErrorCode } from "./error.ts";

interface Refusal {
  readonly code: ErrorCode;
  readonly what: string;
  readonly hint: string;
}

const AGAIN = "then run the same command again; what was finished is kept.";
const NO_ROOM = `Free some space, or write elsewhere (KVCI_BUILD_STORE=/path for the store, --out for builds), ${AGAIN}`;
const NOT_OURS = "Write elsewhere (KVCI_BUILD_STORE=/path for the store, --out for builds), or fix owner and mode.";

/** What the system says when it refuses a write, as a person reads it. */
const REFUSALS: Readonly<Record<string, Refusal>> = {
  ENOSPC: { code: "store-full", what: "no space is left", hint: NO_ROOM },
  EDQUOT: { code: "store-full", what: "the disk quota is used up", hint: NO_ROOM },
  EROFS: { code: "store-unusable", what: "the file system is read-only", hint: NOT_OURS },
  EACCES: { code: "store-unusable", what: "permission is denied", hint: NOT_OURS },
  EPERM: { code: "store-unusable", what: "the operation is not permitted", hint: NOT_OURS },
  EIO: {
    code: "store-unusable",
    what: "the disk reports an input/output error",
    hint: "Check the disk; kernel messages tell more.",
  },
};

/** The operating system's name for an error, such as ENOENT. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** There is no room under `path` for what is to be written. */
export function noRoom(path: string, evidence: readonly string[] = []): KvciError {
  return new KvciError("store-full", `${path}: no space is left`, { hint: NO_ROOM, evidence });
}

/** The error that a refused write under `path` means to the user; anything else is passed on as it is. */
export function fileSystemError(error: unknown, path: string): unknown {
  const refusal = REFUSALS[errnoOf(error) ?? ""];
  if (!refusal) return error;
  const { code, what, hint } = refusal;
  return new KvciError(code, `${path}: ${what}`, { hint, evidence: [messageOf(error)], cause: error });
}

/** As `fileSystemError`, for work that does nothing but write: what is not known is `store-unusable`. */
export function writeError(error: unknown, path: string): KvciError {
  const known = fileSystemError(error, path);
  if (known instanceof KvciError) return known;
  const hint = "Check that the folder exists, is a folder and is yours to write.";
  return new KvciError("store-unusable", `cannot write ${path}: ${messageOf(error)}`, { hint, cause: error });
}

/** Runs `work` and says what a refused write under `path` means. */
export async function writing<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fileSystemError(error, path);
  }
}
