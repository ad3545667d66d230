import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { z } from "zod";

/**
 * Whose a clone is, in words that fit into labels. A later run removes what nobody owns any more: what is past its time wherever it
 * came from, and at once what a process of this very host made that is no longer there.
 */
export type Owner = Readonly<z.output<typeof owner>>;

const owner = z.object({
  "kvci-managed": z.literal("true"),
  "kvci-purpose": z.literal("verify"),
  "kvci-run": z.string(),
  /** A boot of a host, and the processes that see each other there. */
  "kvci-host": z.string(),
  /** Process id and the tick it was started at: ids are used again. */
  "kvci-process": z.string(),
  /** Seconds since the epoch. */
  "kvci-expires": z.string().regex(/^\d+$/),
});

/** @param lifeMs after which nothing of the clone can be in use. */
export function ownerOf(run: string, { now, lifeMs }: { readonly now: number; readonly lifeMs: number }): Owner {
  return {
    "kvci-managed": "true",
    "kvci-purpose": "verify",
    "kvci-run": labelValue(run),
    "kvci-host": thisHost(),
    "kvci-process": `${process.pid}-${startTick(process.pid) ?? ""}`,
    "kvci-expires": String(Math.ceil((now + lifeMs) / 1000)),
  };
}

/** @returns undefined for what is not a clone's. */
export function readOwner(labels: unknown): Owner | undefined {
  return owner.safeParse(labels).data;
}

/** Why nobody needs it any more; undefined while somebody may. */
export function deathOf(
  owned: Owner,
  { now, ownRun }: { readonly now: number; readonly ownRun: string },
): string | undefined {
  if (owned["kvci-run"] === labelValue(ownRun)) return undefined;
  if (Number(owned["kvci-expires"]) * 1000 < now) return `its time was over at ${timeOf(owned)}`;
  if (owned["kvci-host"] !== thisHost()) return undefined;
  const [pid = "", tick] = owned["kvci-process"].split("-");
  return startTick(Number(pid)) === tick ? undefined : `its process ${pid} is gone`;
}

function timeOf(owned: Owner): string {
  return new Date(Number(owned["kvci-expires"]) * 1000).toISOString();
}

/** Containers of one host do not see each other's processes, and so must not judge by them. */
function thisHost(): string {
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return createHash("sha256")
    .update(`${boot} ${readlinkSync("/proc/self/ns/pid")}`)
    .digest("hex")
    .slice(0, 32);
}

/** When a process was started, in ticks since the boot; undefined when there is none. */
function startTick(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name before it may hold anything, spaces and brackets too; the state of a dead one that nobody waited for is Z.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** Labels take lower-case letters, digits, dashes and underscores, at most 63. */
function labelValue(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, "-")
    .slice(0, 63);
}
