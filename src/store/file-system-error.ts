import { KvciError, messageOf } from "../core/error.ts";

const HINTS: Readonly<
  Record<string, { readonly code: "store-full" | "store-unusable"; readonly what: string; readonly hint: string }>
> = {
  ENOSPC: {
    code: "store-full",
    what: "no space is left",
    hint: "Free some space, or set KVCI_BUILD_STORE to a folder that has it, then run the same command again.",
  },
  EDQUOT: {
    code: "store-full",
    what: "the disk quota is used up",
    hint: "Free some space, or set KVCI_BUILD_STORE to a folder that has it, then run the same command again.",
  },
  EROFS: {
    code: "store-unusable",
    what: "the file system is read-only",
    hint: "Set KVCI_BUILD_STORE to a folder that can be written.",
  },
  EACCES: {
    code: "store-unusable",
    what: "permission is denied",
    hint: "Set KVCI_BUILD_STORE to a folder of your own, or fix its owner.",
  },
  EPERM: {
    code: "store-unusable",
    what: "the operation is not permitted",
    hint: "Set KVCI_BUILD_STORE to a folder of your own, or fix its owner.",
  },
  EIO: {
    code: "store-unusable",
    what: "the disk reports an input/output error",
    hint: "Check the disk; kernel messages tell more.",
  },
};

/** The error that a failed write under `path` means to the user; anything unknown is passed on as it is. */
export function fileSystemError(error: unknown, path: string): unknown {
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
  const known = HINTS[code];
  if (!known) return error;
  return new KvciError(known.code, `${path}: ${known.what}`, {
    hint: known.hint,
    evidence: [messageOf(error)],
    cause: error,
  });
}

/** Runs `work` and says what a failed write under `path` means. */
export async function writing<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fileSystemError(error, path);
  }
}
