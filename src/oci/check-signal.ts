import { KvciError } from "../core/error.ts";

/** Ends the work at hand when its signal says so. @throws {KvciError} `interrupted` */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new KvciError("interrupted", "stopped in the middle of an image", { hint: "Run the same command again." });
}
