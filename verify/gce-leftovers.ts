import type { GcpApi } from "../src/gcp/gcp-api.ts";
import { retryingSend } from "../src/gcp/gcp-caller.ts";
import { instancesOf, type Firewall } from "../src/gcp/instances.ts";
import { deathOf, readOwner } from "./gce-owner.ts";
import { removeFirewall, removeInstance } from "./gce-part.ts";

export interface GceLeftoversOf {
  readonly api: GcpApi;
  readonly project: string;
  readonly zone: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** What this run made is never a leftover. */
  readonly ownRun: string;
  /** Milliseconds between two looks. */
  readonly pollMs?: number;
}

const POLL_MS = 2_000;

/**
 * Removes instances and firewall rules of runs that are dead: see `deathOf`. A live run's, and whatever is not ours, stays.
 *
 * @returns what was removed, in words.
 * @throws {KvciError} what Google says, `interrupted`.
 */
export async function removeGceLeftovers(from: GceLeftoversOf, signal: AbortSignal): Promise<readonly string[]> {
  const { api, project, zone, pollMs = POLL_MS } = from;
  const send = retryingSend(api);
  const instances = instancesOf(send, { project, zone, signal });
  const scope = { send, project, zone, pollMs };
  const removed: string[] = [];
  const found = await instances.instances(`labels.kvci-managed = "true" AND labels.kvci-purpose = "verify"`);
  for (const { name, labels } of found) {
    const why = deathIn(labels, from);
    if (why === undefined) continue;
    await removeInstance(name, scope, signal);
    removed.push(`instance ${name}: ${why}`);
  }
  for (const { name, ...rule } of await instances.firewalls()) {
    const why = deathIn(ownerIn(rule), from);
    if (why === undefined) continue;
    await removeFirewall(name, scope, signal);
    removed.push(`firewall rule ${name}: ${why}`);
  }
  return removed;
}

function deathIn(labels: unknown, { now, ownRun }: GceLeftoversOf): string | undefined {
  const owned = readOwner(labels);
  return owned && deathOf(owned, { now: now(), ownRun });
}

/** Descriptions are whatever others write. */
function ownerIn({ description }: Pick<Firewall, "description">): unknown {
  try {
    return JSON.parse(description);
  } catch {
    return undefined;
  }
}
