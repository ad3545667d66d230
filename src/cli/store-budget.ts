import type { Environment } from "../core/environment.ts";
import { messageOf } from "../core/error.ts";
import { formatBytes } from "../journal/format.ts";
import { collect, type Collected } from "../store/collect.ts";
import type { Session } from "./session.ts";

/**
 * Makes room in the store after builds, where the environment says what it may grow to: what was used longest ago goes, never what
 * a running build uses, this one included. Trouble with that is told, and no reason for a build to fail.
 */
export async function trimStore(
  { store: { maxGiB } }: Pick<Environment, "store">,
  { store, signal, journal }: Pick<Session, "store" | "signal" | "journal">,
): Promise<void> {
  if (maxGiB === undefined || signal.aborted) return;
  const maxBytes = maxGiB * 1024 ** 3;
  const tell = (detail: string): void => journal.emit({ type: "warning", subject: "store", detail });
  try {
    for (const detail of told(await collect(store, { maxBytes, signal }), maxBytes)) tell(detail);
  } catch (error) {
    tell(`it was not made smaller: ${messageOf(error)}`);
  }
}

function told({ removed, freedBytes, keptBytes }: Collected, maxBytes: number): string[] {
  const limit = formatBytes(maxBytes);
  const gone = `removed what was used longest ago: ${removed.length} items, ${formatBytes(freedBytes)}, to stay within ${limit}`;
  const over = `what running builds use takes ${formatBytes(keptBytes)}, more than the ${limit} of the environment`;
  return [...(removed.length > 0 ? [gone] : []), ...(keptBytes > maxBytes ? [over] : [])];
}
