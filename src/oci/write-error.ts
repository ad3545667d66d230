import { KvciError, messageOf } from "../core/error.ts";

/**
 * What a failed write to a layout means to a person: `store-full` when there is no space or quota left, otherwise
 * `store-unusable`. Errors of ours pass through.
 */
export function writeError(error: unknown, path: string): KvciError {
  if (error instanceof KvciError) return error;
  const code = errnoOf(error);
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new KvciError("store-full", `no space left to write ${path}`, {
      hint: "Free some space, or write elsewhere with --out DIR, then run the same command again.",
      cause: error,
    });
  }
  return new KvciError("store-unusable", `cannot write ${path}: ${messageOf(error)}`, {
    hint: "Check that the folder exists, is a folder and is yours to write.",
    cause: error,
  });
}

/** The operating system's name for an error, such as ENOENT. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** Ends the work at hand when its signal says so. @throws {KvciError} `interrupted` */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new KvciError("interrupted", "stopped in the middle of an image", { hint: "Run the same command again." });
}
