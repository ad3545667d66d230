import { randomUUID } from "node:crypto";
import { KvciError } from "../../core/error.ts";
import { collect, type Collected } from "../../store/collect.ts";
import { openStore } from "../../store/file-store.ts";
import type { Store } from "../../store/store.ts";
import type { App } from "../app.ts";
import { renderCollected } from "../render-cache.ts";
import { withSession } from "../session.ts";

export interface CacheGcFlags {
  /** What may stay, for example `20G` or `500M`; units are powers of 1024. */
  readonly maxSize: string;
  readonly dryRun?: true;
  readonly json?: true;
}

/**
 * `kvci-build cache gc`: removes what was used longest ago until the store is within a size; what running builds use stays.
 *
 * @throws {KvciError} `usage`, `store-unusable`, `interrupted`
 */
export async function cacheGc(app: App, flags: CacheGcFlags): Promise<number> {
  const maxBytes = parseSize(flags.maxSize);
  const dryRun = flags.dryRun ?? false;
  const collected = await withStore(app, flags, (store) =>
    collect(store, { maxBytes, dryRun, signal: app.signal, onWait: (holder) => tellWait(app, holder) }),
  );
  app.stdout.write(
    flags.json
      ? `${JSON.stringify({ store: app.storeRoot, dryRun, maxBytes, ...collected }, null, 2)}\n`
      : renderCollected(collected, { dryRun, maxBytes, nowMs: app.now() }),
  );
  return 0;
}

const UNITS = ["", "K", "M", "G", "T"];

/** Bytes of `20G`, `500M`, `1.5 GiB`, `0`. @throws {KvciError} `usage` */
export function parseSize(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(text.trim()) ?? [];
  if (number === undefined || unit === undefined) {
    throw new KvciError("usage", `"${text}" is not a size`, { hint: "Write it as 20G or 500M: powers of 1024." });
  }
  return Math.round(Number(number) * 1024 ** UNITS.indexOf(unit.toUpperCase()));
}

/** A dry run leaves no trace. A store so full that not even a run can be noted in it is made room in all the same. */
async function withStore(
  app: App,
  { dryRun, json }: CacheGcFlags,
  work: (store: Pick<Store, "root" | "lock">) => Promise<Collected>,
): Promise<Collected> {
  if (dryRun) return work({ root: app.storeRoot, lock: () => Promise.reject(noLock()) });
  try {
    return await withSession(app, { command: "cache gc", json: json ?? false }, ({ store }) => work(store));
  } catch (error) {
    if (!(error instanceof KvciError) || error.code !== "store-full") throw error;
    const description = `kvci-build cache gc (pid ${String(process.pid)})`;
    return work(await openStore(app.storeRoot, { runId: randomUUID(), description }));
  }
}

function noLock(): KvciError {
  return new KvciError("internal", "a dry run asked for a lock", { hint: "This is a defect; please report it." });
}

function tellWait({ stderr }: App, holder: string): void {
  stderr.write(`waiting for ${holder}\n`);
}
