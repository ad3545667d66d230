import { KvciError, messageOf } from "../core/error.ts";

const FULL = new Set(["ENOSPC", "EDQUOT"]);

/** The error of a write into `folder` that the system refused: `store-full` when there is no room, else `store-unusable`. */
export function writeFailure(
  error: unknown,
  folder: string,
  room?: { readonly neededBytes: number; readonly freeBytes: number },
): KvciError {
  if (error instanceof KvciError) return error;
  const code = typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
  if (!FULL.has(code)) {
    return new KvciError("store-unusable", `cannot write into ${folder}: ${messageOf(error)}`, {
      hint: "Check the folder's owner and mode, or choose another store with KVCI_BUILD_STORE=/path.",
      cause: error,
    });
  }
  return new KvciError("store-full", `no space left in ${folder}`, {
    hint: "Free some space, or move the store with KVCI_BUILD_STORE=/path/with/space, then run the same command again; it goes on where it stopped.",
    evidence: room ? [`${String(room.neededBytes)} bytes are needed, ${String(room.freeBytes)} are free`] : [],
    cause: error,
  });
}
